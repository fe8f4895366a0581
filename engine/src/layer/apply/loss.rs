//! What of a layer could not be kept, in words.

use super::shown;

/// What could not be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Owner,
    Device,
    Xattr,
    OverlayXattr,
    OpaqueRoot,
}

/// Losses by kind: how many, and the first.
#[derive(Default)]
pub(super) struct Told(Vec<(Loss, u64, String, String)>);

impl Told {
    pub(super) fn tell(&mut self, loss: Loss, path: &[u8], what: &str) {
        match self.0.iter_mut().find(|(known, ..)| *known == loss) {
            Some((_, count, ..)) => *count += 1,
            None => self.0.push((loss, 1, shown(path), what.to_owned())),
        }
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        let text = |(loss, count, path, what): (Loss, u64, String, String)| match loss {
            Loss::Owner => format!(
                "{count} entries belong to this user instead of the owner in the layer, which has no ID here (first: {path}, {what})"
            ),
            Loss::Device => format!("{count} devices were left out, which only root can make (first: {path}, {what})"),
            Loss::Xattr => format!("{count} extended attributes could not be set (first: {what} of {path})"),
            Loss::OverlayXattr => {
                format!(
                    "{count} entries had attributes of overlayfs itself, which were left out (first: {what} of {path})"
                )
            }
            Loss::OpaqueRoot => "the root directory is marked opaque, which overlayfs does not heed".to_owned(),
        };
        self.0.into_iter().map(text).collect()
    }
}
