//! What systemd makes of us: the units as they are installed, and a machine that boots with them.

mod booted;
mod installed;
mod machine;
