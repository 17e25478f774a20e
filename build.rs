//! How the linker lays out an optimised botgate, so that little of it is in memory while little of it runs.
//!
//! Everything here is an offer: each setting is tried with a program of one line, by the linker and for the machine that are
//! built with, and left out where they do not know it. botgate is the same without, and larger in memory.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// The functions that run from the start to the first answers, as patterns of their mangled names; `benches/start/run` makes it.
const FIRST: &str = "benches/start/functions.txt";

/// What of aws-lc's assembly a TLS connection of these days takes.
const ASSEMBLY: &[&str] = &[
    "aesni",
    "aesv8",
    "bignum_montinv_p256",
    "curve25519",
    "ghash",
    "p256",
    "rdrand",
    "sha256",
    "sha512",
    "x86_64-mont",
    "armv8-mont",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={FIRST}");
    // Memory is no matter to a build that is tested, and each try takes a tenth of a second.
    if env::var("PROFILE")? != "release" || env::var("CARGO_CFG_TARGET_OS")? != "linux" {
        return Ok(());
    }
    let site = Site::new()?;

    // 27,000 pointers are corrected at the start, by a table of 24 bytes for each: 0.6 MiB that stay in memory. This one takes
    // a few bits. The C library must know it, too (glibc from 2.36 on): so the program is run, which a machine that builds
    // for another cannot do.
    let packed = "-Wl,-z,pack-relative-relocs".to_owned();
    if env::var("HOST")? == env::var("TARGET")? && site.links(&packed) && site.runs() {
        println!("cargo:rustc-link-arg-bins={packed}");
    }

    // Pages come into memory in groups of sixteen: what runs stands together, apart from what does not.
    let script = site.folder.join("first.ld");
    fs::write(&script, first_together(&fs::read_to_string(FIRST)?))?;
    let script = format!("-Wl,-T,{}", script.display());
    if site.links(&script) {
        println!("cargo:rustc-link-arg-bins={script}");
    }
    Ok(())
}

/// A linker script that adds to the linker's own: code begins with those functions, in the order of the list. What is not in
/// the program matches nothing.
fn first_together(functions: &str) -> String {
    let mut script = "SECTIONS {\n  .text : {\n".to_owned();
    // Assembly is one section for each file.
    for file in ASSEMBLY {
        let _ = writeln!(script, "    *aws_lc*:*{file}*(.text)");
    }
    for name in functions.lines() {
        // Functions that the source calls cold have sections of another name.
        let _ = writeln!(script, "    *(.text.{name} .text.unlikely.{name})");
    }
    script + "  }\n} INSERT BEFORE .init;\n"
}

/// Where settings are tried.
struct Site {
    folder: PathBuf,
    source: PathBuf,
    program: PathBuf,
}

impl Site {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
        let (source, program) = (folder.join("try.rs"), folder.join("try"));
        fs::write(&source, "fn main() {}\n")?;
        Ok(Self { folder, source, program })
    }

    /// Whether a program can be linked with this argument, by the compiler, linker and flags of this build.
    fn links(&self, argument: &str) -> bool {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let mut command = Command::new(rustc);
        command.arg(&self.source).arg("-o").arg(&self.program).args(["--crate-type", "bin", "--edition", "2021"]);
        command.arg("--target").arg(env::var_os("TARGET").unwrap_or_default());
        command.arg(format!("-Clink-arg={argument}"));
        if let Some(linker) = env::var_os("RUSTC_LINKER") {
            let mut option = OsString::from("-Clinker=");
            option.push(linker);
            command.arg(option);
        }
        let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
        command.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
        quietly(&mut command)
    }

    /// Whether the program that was linked last runs here.
    fn runs(&self) -> bool {
        quietly(&mut Command::new(self.program.as_path() as &Path))
    }
}

fn quietly(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}
