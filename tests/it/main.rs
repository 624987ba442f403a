//! What Tenure does, seen from outside, in one binary.

mod support;
