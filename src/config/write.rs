//! Writes configurations: a fresh one for people to read, and changes that leave everything else
//! as it was, comments included.
