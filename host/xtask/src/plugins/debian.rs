//! The guests' toolchain out of Debian packages, for machines that reach package
//! registries only.
//!
//! Debian ships the compiler (`rustc-web`), its library's source and a C runtime, but no
//! finished library for `wasm32-wasip2`. So the packages are unpacked into a private
//! prefix (nothing is installed, no root rights are needed), the library is built once
//! from its source, and from then on the prefix works like an installed toolchain. The
//! linkers are those of the Rust toolchain that builds the host, since Debian's lack
//! `wasm-component-ld`.
//!
//! The prefix is keyed by the compiler's package version. A crash leaves a prefix without
//! the file `ready`; the next run removes it and starts anew.

pub mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use super::toolchain::{GuestToolchain, std_library, sysroot};
use super::{ENCODED_SEPARATOR, GUEST_TARGET, HOST_VARIABLES, neutral_paths};
use crate::cache::{make_executable, remove_folder, write_if_changed};
use crate::program::{capture, find, output, step};
use crate::workspace::{Workspace, cargo_program};

/// The packages to begin with; what they depend on follows by itself.
const PACKAGES: &[&str] = &[
    COMPILER,
    packages::SOURCE,
    "libstd-rust-web-dev",
    "wasi-libc",
];

/// The package of the compiler.
const COMPILER: &str = "rustc-web";

/// Object files of the C runtime that the linker looks for beside the library. They are
/// those of preview 1; `wasm-component-ld` adds the adapter to preview 2.
const C_RUNTIME: &[&str] = &["crt1-command.o", "crt1-reactor.o", "libc.a"];

/// The crates of the library that guests need. `panic_unwind` is among them because std
/// depends on it whichever way a guest panics.
const STD_CRATES: &str = "-Zbuild-std=std,panic_abort,panic_unwind,proc_macro";

/// The file that marks a finished prefix. It holds the digest of the standard library,
/// which tells two builds of one version apart.
const READY: &str = "ready";

/// A private prefix with Debian's compiler in it.
struct Prefix {
    folder: PathBuf,
    /// The triple of this machine, such as `x86_64-unknown-linux-gnu`.
    host: String,
}

/// Makes the toolchain unless it is there.
pub fn prepare(workspace: &Workspace) -> Result<GuestToolchain> {
    let toolchains = workspace.cache.folder("guest-toolchain")?;
    let _lock = workspace.cache.lock("guest-toolchain")?;
    let host = host_triple()?;
    if let Some(folder) = newest_ready(&toolchains) {
        let prefix = Prefix { folder, host };
        return prefix.toolchain();
    }
    if find("apt-get").is_none() || find("dpkg-deb").is_none() {
        bail!("this machine has no apt-get and dpkg-deb");
    }
    let repository = packages::Repository::open(&toolchains.join(".apt"), COMPILER)?;
    let folder = toolchains.join(repository.version_of(COMPILER)?);
    let prefix = Prefix { folder, host };
    step("make the guests' toolchain from Debian packages", || {
        prefix.make(&repository)
    })?;
    prefix.toolchain()
}

/// The newest finished prefix, by the time it was finished.
fn newest_ready(toolchains: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(toolchains).ok()?.flatten();
    let ready = entries.filter_map(|entry| {
        let finished = fs::metadata(entry.path().join(READY)).ok()?;
        Some((finished.modified().ok()?, entry.path()))
    });
    ready.max().map(|(_, folder)| folder)
}

fn host_triple() -> Result<String> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

impl Prefix {
    /// A finished prefix as a toolchain.
    fn toolchain(&self) -> Result<GuestToolchain> {
        let ready = self.folder.join(READY);
        let identity = fs::read_to_string(&ready)
            .with_context(|| format!("cannot read {}", ready.display()))?;
        Ok(GuestToolchain {
            rustc: Some(self.wrap_compiler()?),
            identity,
        })
    }

    fn make(&self, repository: &packages::Repository) -> Result<()> {
        remove_folder(&self.folder)?;
        let root = self.folder.join("root");
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        step("download and unpack the packages", || {
            repository.unpack(PACKAGES, &self.folder.join("packages"), &root)
        })?;
        let rustc = self.wrap_compiler()?;
        self.copy_c_runtime()?;
        step("build the standard library for guests", || {
            self.build_std(&rustc)
        })?;
        self.discard_scraps()?;
        let identity = self.std_digest()?;
        write_if_changed(&self.folder.join(READY), identity.as_bytes())?;
        Ok(())
    }

    /// The root folder of Debian's compiler.
    fn sysroot(&self) -> PathBuf {
        self.folder.join("root/usr")
    }

    fn guest_libraries(&self) -> PathBuf {
        self.sysroot()
            .join("lib/rustlib")
            .join(GUEST_TARGET)
            .join("lib")
    }

    /// Writes the script that runs the compiler with its own libraries and the host
    /// toolchain's linkers, and returns it. It is written at each use, since the host
    /// toolchain may have moved; unchanged, it keeps its time stamp.
    fn wrap_compiler(&self) -> Result<PathBuf> {
        let linkers = sysroot()?.join("lib/rustlib").join(&self.host).join("bin");
        if !linkers.join("wasm-component-ld").is_file() {
            bail!(
                "{} lacks wasm-component-ld: build with a Rust toolchain from rustup",
                linkers.display()
            );
        }
        self.link_linkers(&linkers)?;
        let wrapper = self.folder.join("bin/rustc");
        write_if_changed(&wrapper, self.wrapper_script(&linkers)?.as_bytes())?;
        make_executable(&wrapper)?;
        Ok(wrapper)
    }

    fn wrapper_script(&self, linkers: &Path) -> Result<String> {
        let libraries = self.shared_libraries()?;
        Ok(format!(
            "#!/bin/sh\n\
             LD_LIBRARY_PATH='{libraries}'\n\
             PATH='{linkers}:{linkers}/gcc-ld':\"$PATH\"\n\
             export LD_LIBRARY_PATH PATH\n\
             exec '{rustc}' \"$@\"\n",
            libraries = libraries.display(),
            linkers = linkers.display(),
            rustc = self.sysroot().join("bin/rustc").display(),
        ))
    }

    /// The folder with the compiler's shared libraries, named after the machine:
    /// `usr/lib/x86_64-linux-gnu` and the like.
    fn shared_libraries(&self) -> Result<PathBuf> {
        let libraries = self.sysroot().join("lib");
        let entries = fs::read_dir(&libraries)
            .with_context(|| format!("cannot list {}", libraries.display()))?;
        let named = entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().ends_with("-linux-gnu"));
        named.with_context(|| format!("{} holds no shared libraries", libraries.display()))
    }

    fn link_linkers(&self, linkers: &Path) -> Result<()> {
        let link = self
            .sysroot()
            .join("lib/rustlib")
            .join(&self.host)
            .join("bin");
        if fs::read_link(&link).is_ok_and(|present| present == linkers) {
            return Ok(());
        }
        let _absent = fs::remove_file(&link);
        std::os::unix::fs::symlink(linkers, &link)
            .with_context(|| format!("cannot link {}", link.display()))
    }

    fn copy_c_runtime(&self) -> Result<()> {
        let place = self.guest_libraries().join("self-contained");
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        for name in C_RUNTIME {
            let source = self.sysroot().join("lib/wasm32-wasi").join(name);
            fs::copy(&source, place.join(name))
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
        Ok(())
    }

    /// Builds the library by building an empty crate against it, then puts it where the
    /// compiler looks for it. Bitcode is embedded so that guests may use `lto`.
    fn build_std(&self, rustc: &Path) -> Result<()> {
        let seed = self.folder.join("seed");
        write_if_changed(&seed.join("Cargo.toml"), SEED_MANIFEST.as_bytes())?;
        write_if_changed(&seed.join("src/lib.rs"), b"")?;
        let source = self.sysroot().join("lib/rustlib/src/rust");
        let paths = neutral_paths(&[(&source, "/rust")]);
        let flags = format!("-Cembed-bitcode=yes{ENCODED_SEPARATOR}{paths}");
        let mut command = Command::new(cargo_program());
        for name in HOST_VARIABLES {
            command.env_remove(name);
        }
        command
            .current_dir(&seed)
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", seed.join("target"))
            .args(["build", "--release", STD_CRATES, "--target", GUEST_TARGET]);
        capture(&mut command)?;
        let built = seed.join("target").join(GUEST_TARGET).join("release/deps");
        self.install_std(&built)
    }

    fn install_std(&self, built: &Path) -> Result<()> {
        let place = self.guest_libraries();
        let entries =
            fs::read_dir(built).with_context(|| format!("cannot list {}", built.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".rlib") && !name.starts_with("libseed-") {
                fs::copy(&path, place.join(&*name))
                    .with_context(|| format!("cannot copy {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn std_digest(&self) -> Result<String> {
        let place = self.guest_libraries();
        let library = std_library(&place)
            .with_context(|| format!("{} holds no standard library", place.display()))?;
        let bytes =
            fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        Ok(hex::encode(Sha256::digest(bytes)))
    }

    /// A quarter of a gigabyte that nothing needs any more.
    fn discard_scraps(&self) -> Result<()> {
        remove_folder(&self.folder.join("seed"))?;
        remove_folder(&self.folder.join("packages"))
    }
}

/// The crate that the library is built for. `[workspace]` keeps cargo from looking for
/// one in the folders above.
const SEED_MANIFEST: &str = "[package]\n\
                             name = \"seed\"\n\
                             version = \"0.0.0\"\n\
                             edition = \"2024\"\n\
                             \n\
                             [workspace]\n";
