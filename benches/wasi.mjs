// Runs a program of wasm32-wasip1 in node: `node benches/wasi.mjs program.wasm [arguments]`.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [program, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [program, ...args], env: process.env });
const module = await WebAssembly.compile(await readFile(program));
const imports = wasi.getImportObject();
// The host functions of proxy-wasm, which a benchmark links and never calls.
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] ??= {};
  imports[from][name] ??= () => {
    throw new Error(`${name} was called`);
  };
}
// The filter's own entry, which a benchmark may link, is not the program's.
const { memory, _start } = (await WebAssembly.instantiate(module, imports)).exports;
wasi.start({ exports: { memory, _start } });
