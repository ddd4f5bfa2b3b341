//! One image as one file, in the shape that `docker save` writes: a manifest, a configuration and
//! a layer. Equal contents make equal files, for times and owners are fixed.

use crate::images::Image;
use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// The user that distroless images call nonroot.
const USER: &str = "65532:65532";

/// Small files that programs expect: users by number, and where names are looked up.
const SYSTEM_FILES: [(&str, &str); 3] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\nnonroot:x:65532:\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// The digest of an image's configuration, which names its layer's digest.
pub(super) fn digest(image: &Image) -> Result<String> {
    let mut layer = Hashing {
        hash: Sha256::new(),
        to: io::sink(),
    };
    write_layer(image, &mut layer)?;
    Ok(format!(
        "{:x}",
        Sha256::digest(configuration(image, &layer.digest())?)
    ))
}

/// Writes the image to `file`.
pub(super) fn write(image: &Image, file: &Path) -> Result<()> {
    let part = file.with_extension("layer");
    let mut layer = Hashing {
        hash: Sha256::new(),
        to: File::create(&part)?,
    };
    write_layer(image, &mut layer)?;
    let layer = layer.digest();
    let configuration = configuration(image, &layer)?;
    let (config_name, layer_name) = (
        format!("{:x}.json", Sha256::digest(&configuration)),
        format!("{layer}/layer.tar"),
    );
    let manifest =
        json!([{"Config": config_name, "RepoTags": [image.name], "Layers": [layer_name]}]);
    let mut archive = Builder::new(File::create(file)?);
    append(
        &mut archive,
        "manifest.json",
        0o644,
        &serde_json::to_vec(&manifest)?,
    )?;
    append(&mut archive, &config_name, 0o644, &configuration)?;
    archive.append_file(&layer_name, &mut File::open(&part)?)?;
    archive.finish()?;
    fs::remove_file(part).context("remove the layer's own file")
}

fn configuration(image: &Image, layer: &str) -> Result<Vec<u8>> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let configuration = json!({
        "architecture": architecture, "os": "linux",
        "config": {"User": USER, "Entrypoint": image.entrypoint, "Env": ["PATH=/"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
    });
    Ok(serde_json::to_vec(&configuration)?)
}

fn write_layer(image: &Image, to: impl Write) -> Result<()> {
    let mut layer = Builder::new(to);
    let mut temporary = header(EntryType::Directory, 0o1777, 0);
    layer.append_data(&mut temporary, "tmp/", io::empty())?;
    for (name, text) in SYSTEM_FILES {
        append(&mut layer, name, 0o644, text.as_bytes())?;
    }
    for (here, inside) in &image.files {
        let mut source = File::open(here).with_context(|| format!("open {}", here.display()))?;
        let mut header = header(EntryType::Regular, 0o755, source.metadata()?.len());
        layer.append_data(&mut header, inside.strip_prefix("/")?, &mut source)?;
    }
    layer.into_inner()?.flush()?;
    Ok(())
}

fn append(to: &mut Builder<impl Write>, name: &str, mode: u32, data: &[u8]) -> Result<()> {
    let mut header = header(EntryType::Regular, mode, u64::try_from(data.len())?);
    to.append_data(&mut header, name, data)
        .with_context(|| format!("add {name} to an image"))
}

/// Owner root, time 0.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Hashes what passes through.
struct Hashing<W> {
    hash: Sha256,
    to: W,
}

impl<W> Hashing<W> {
    fn digest(self) -> String {
        format!("{:x}", self.hash.finalize())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.to.write(data)?;
        self.hash.update(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn image(folder: &Path, contents: &str) -> Image {
        let file = folder.join("program");
        fs::write(&file, contents).unwrap();
        Image {
            name: "docker.io/local/x:1".into(),
            files: vec![(file, PathBuf::from("/program"))],
            entrypoint: vec!["/program".into()],
        }
    }

    #[test]
    fn the_digest_follows_the_contents_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let first = digest(&image(folder.path(), "one")).unwrap();
        assert_eq!(digest(&image(folder.path(), "one")).unwrap(), first);
        assert_ne!(digest(&image(folder.path(), "two")).unwrap(), first);
    }

    #[test]
    fn the_archive_names_its_parts_by_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (image, file) = (image(folder.path(), "one"), folder.path().join("image.tar"));
        write(&image, &file).unwrap();
        let mut archive = tar::Archive::new(File::open(&file).unwrap());
        let entries = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into());
        let names: Vec<PathBuf> = entries.collect();
        assert_eq!(names[0], Path::new("manifest.json"));
        assert_eq!(
            names[1],
            Path::new(&format!("{}.json", digest(&image).unwrap()))
        );
        assert!(names[2].ends_with("layer.tar"));
    }
}
