//! Authorities of the operator's own, for panels whose certificates no public one has signed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The most that is read of a file of certificates; the public authorities of a whole system take a
/// quarter of it.
const CA_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a file of certificates is none; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {1}", path = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is larger than any such file would be.
    #[error("{path} is larger than {CA_FILE_BYTES_MAX} bytes; is it the right file?",
        path = .0.display())]
    TooLarge(PathBuf),
    /// Nothing in it stands between the lines of a certificate.
    #[error("{path} holds no certificate; it must be PEM, with a line -----BEGIN CERTIFICATE-----",
        path = .0.display())]
    Empty(PathBuf),
    /// One of them is broken.
    #[error("{path}: certificate {1} cannot be read; ask the panel for a whole PEM file",
        path = .0.display())]
    Broken(PathBuf, usize),
}

/// The certificates of a PEM file; one at least, and all of them good.
pub(super) fn read_authorities(path: &Path) -> Result<RootCertStore, CaFileError> {
    let unreadable = |error| CaFileError::Unreadable(path.to_owned(), error);
    let mut pem = Vec::new();

    File::open(path)
        .map_err(unreadable)?
        .take(CA_FILE_BYTES_MAX + 1)
        .read_to_end(&mut pem)
        .map_err(unreadable)?;

    if pem.len() as u64 > CA_FILE_BYTES_MAX {
        return Err(CaFileError::TooLarge(path.to_owned()));
    }

    let mut roots = RootCertStore::empty();
    for (n, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&pem)) {
        let certificate = certificate.map_err(|_| CaFileError::Broken(path.to_owned(), n))?;
        roots
            .add(certificate)
            .map_err(|_| CaFileError::Broken(path.to_owned(), n))?;
    }

    if roots.is_empty() {
        Err(CaFileError::Empty(path.to_owned()))
    } else {
        Ok(roots)
    }
}

/// Whether a file of certificates can be used.
pub fn check_ca_file(path: &Path) -> Result<(), CaFileError> {
    read_authorities(path).map(drop)
}
