//! What the admin wrote -> what runs.
