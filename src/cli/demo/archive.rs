//! Layers as tars, and a `docker save` archive of the images made of them.

use std::io;

use bytes::Bytes;
use outcrop_layers::digest::{DiffId, Digest};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::content::{File, Images};
use crate::cli::version::architecture;

/// A `docker save` archive of `images` on the layer `base`.
pub(super) fn write(base: &[u8], comment: &str, images: &Images) -> io::Result<Bytes> {
    let now = jiff::Timestamp::now();
    let above = images.layers.iter().map(|files| layer(files, now.as_second())).collect::<io::Result<Vec<_>>>()?;
    let diff_id = |tar: &[u8]| DiffId(Digest::of(tar));
    let base_id = diff_id(base);
    let ids: Vec<DiffId> = above.iter().map(|tar| diff_id(tar)).collect();
    let mut out = Builder::new(Vec::with_capacity(base.len() + above.iter().map(Vec::len).sum::<usize>() + (1 << 20)));
    for (id, tar) in std::iter::once((&base_id, base)).chain(ids.iter().zip(above.iter().map(Vec::as_slice))) {
        append(&mut out, &member(*id), tar)?;
    }
    let mut manifest = Vec::new();
    for (name, steps, start) in &images.images {
        let layers: Vec<DiffId> =
            std::iter::once(base_id).chain(steps.iter().filter_map(|step| Some(ids[step.layer?]))).collect();
        let first = json!({"created": now.to_string(), "comment": comment});
        let history: Vec<Value> = std::iter::once(first)
            .chain(steps.iter().map(|step| {
                let mut entry = json!({"created": now.to_string(), "created_by": step.created_by});
                if step.layer.is_none() {
                    entry["empty_layer"] = true.into();
                }
                entry
            }))
            .collect();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": now.to_string(),
            "config": {"Env": [super::PATH], "Entrypoint": ["/bin/sh", "-c", start]},
            "history": history,
            "rootfs": {"type": "layers", "diff_ids": layers},
        });
        let config = config.to_string();
        let file = format!("{}.json", Digest::of(config.as_bytes()).hex());
        append(&mut out, &file, config.as_bytes())?;
        let members: Vec<_> = layers.iter().map(|id| member(*id)).collect();
        manifest.push(json!({"Config": file, "RepoTags": [name], "Layers": members}));
    }
    append(&mut out, "manifest.json", Value::from(manifest).to_string().as_bytes())?;
    out.into_inner().map(Bytes::from)
}

fn member(id: DiffId) -> String {
    format!("{}/layer.tar", id.0.hex())
}

fn append(out: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    out.append_data(&mut header, name, content)
}

/// The tar of a layer; everything belongs to root.
fn layer(files: &[File], time: i64) -> io::Result<Vec<u8>> {
    let mut out = Builder::new(Vec::new());
    for file in files {
        let mut header = Header::new_ustar();
        header.set_mtime(time.unsigned_abs());
        match file {
            File::Directory(path) => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(if path == "root" { 0o700 } else { 0o755 });
                header.set_size(0);
                out.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            File::Regular(path, mode, content) => {
                header.set_mode(*mode);
                header.set_size(content.len() as u64);
                out.append_data(&mut header, path, content.as_slice())?;
            }
            File::Link(path, target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                out.append_link(&mut header, path, target)?;
            }
            File::Gone(path) => {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                header.set_mode(0o600);
                header.set_size(0);
                out.append_data(&mut header, format!("{folder}/.wh.{name}"), io::empty())?;
            }
        }
    }
    out.into_inner()
}
