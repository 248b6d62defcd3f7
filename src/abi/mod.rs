//! The only room that names proxy_wasm.
