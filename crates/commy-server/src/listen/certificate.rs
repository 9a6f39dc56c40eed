//! A certificate for development: for this machine's names, signed by itself.

use std::io::Write;
use std::path::Path;

/// Makes `cert.pem` and `key.pem` in a folder, for these names and addresses. The key can be read by its owner alone.
///
/// # Errors
/// What the system says; files that there are already are not overwritten.
pub fn dev_certificate(folder: &Path, names: &[String]) -> Result<(), String> {
    let made = rcgen::generate_simple_self_signed(names.to_vec()).map_err(|error| error.to_string())?;
    crate::server::make_folder(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (name, text, mode) in [("key.pem", made.key_pair.serialize_pem(), 0o600), ("cert.pem", made.cert.pem(), 0o644)]
    {
        let path = folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
