//! The daemon as a process of its own: what it does by itself, what it answers, and to whom.

mod alone;
mod asks;
mod roles;
mod same;
mod world;
