//! The testkit against the real servers that it starts.

mod etcd;
mod guard;
mod kube;
mod lock_server;
mod pki;
