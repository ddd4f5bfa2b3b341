//! What happened to a bundle, for people.

use std::fmt;

use super::Fingerprint;

/// What happened to a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A root was made and published; it does not sign yet.
    Published(Fingerprint),
    /// A published root took over.
    Activated {
        /// The root.
        root: Fingerprint,
        /// Whether sidecars that know only earlier roots follow.
        bridged: bool,
    },
    /// Somebody put another authority in place.
    Adopted {
        /// Its root.
        root: Fingerprint,
        /// Whether sidecars that know only earlier roots follow.
        bridged: bool,
    },
    /// Roots, or the chain to them, had been taken out of the bundle and were put back.
    Completed,
    /// An authority that sentry had taken over from was put back, and was replaced again.
    Restored,
    /// A root left the bundle.
    Removed {
        /// The root.
        root: Fingerprint,
        /// Whether it had ended; if not, nobody needed it.
        ended: bool,
    },
    /// A rotation was asked for, but the authority is somebody else's to rotate.
    Refused,
}

// === impl Change ===

impl Change {
    /// In one word, as Events want it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Published(_) => "RootPublished",
            Self::Activated { .. } => "RootActivated",
            Self::Adopted { .. } => "RootAdopted",
            Self::Completed => "TrustBundleCompleted",
            Self::Restored => "TrustBundleRestored",
            Self::Removed { .. } => "RootRemoved",
            Self::Refused => "RotationRefused",
        }
    }

    /// Whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Activated { bridged, .. } | Self::Adopted { bridged, .. } => !bridged,
            Self::Restored | Self::Completed | Self::Refused => true,
            Self::Published(_) | Self::Removed { .. } => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut_off = |bridged: &bool| {
            if *bridged {
                ""
            } else {
                "; sidecars that know only earlier roots do not follow and must be restarted"
            }
        };
        match self {
            Self::Published(root) => write!(formatter, "root {root} was made and is published; it takes over later"),
            Self::Activated { root, bridged } => {
                write!(formatter, "root {root} took over{}", cut_off(bridged))
            }
            Self::Adopted { root, bridged } => {
                write!(formatter, "root {root} was put in place by hand{}", cut_off(bridged))
            }
            Self::Completed => formatter.write_str(
                "roots that running sidecars need were missing and were put back; annotate the Secret with trilby.dev/forget-roots to give them up",
            ),
            Self::Restored => formatter.write_str(
                "an authority was put back that had been rotated away, probably by a Helm release with old values; the present one stays",
            ),
            Self::Removed { root, ended: true } => write!(formatter, "root {root} has ended and was removed"),
            Self::Removed { root, ended: false } => {
                write!(formatter, "root {root} was removed; no running sidecar needs it")
            }
            Self::Refused => formatter.write_str(
                "a rotation was asked for, but the authority was supplied; put the new one in its place instead",
            ),
        }
    }
}
