use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The shared libraries and the loader that a program needs, none if it is static.
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let ended = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()?;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    if ended.status.success() {
        return Ok(parse(&said));
    }
    let complaint = String::from_utf8_lossy(&ended.stderr);
    if complaint.contains("not a dynamic executable") {
        return Ok(Vec::new());
    }
    bail!("find the libraries of {}: {complaint}", program.display());
}

/// Lines are `NAME => PATH (ADDRESS)`, for the loader `PATH (ADDRESS)`, or `statically linked`.
fn parse(list: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(Into::into)
    };
    list.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_found_and_the_kernel_s_page_is_not() {
        let list = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
        assert_eq!(
            parse(list),
            [Path::new("/lib/x/libc.so.6"), Path::new("/lib64/ld.so")]
        );
        assert!(parse("\tstatically linked\n").is_empty());
    }
}
