//! What the proxy beside a shared daprd decides; nothing here does I/O or asks for the time.
//!
//! ```text
//! towards the app                          towards the apps
//!   EndpointSlice -> slices -> pool          source, limits: who may connect, how much
//!   route: what kind of call it is           token:          who may call
//!   pool: least outstanding, near first      route:          what never reaches daprd
//!   actors: which pod has the actor          age:            when a connection has to go
//!   patience: how long a call is held
//!   exclusive, leader: which instance delivers what all of them get
//!   learnt: whether daprd has to ask anew
//! ```

pub mod actors;
pub mod age;
pub mod endpoint;
pub mod exclusive;
pub mod leader;
pub mod learnt;
pub mod limits;
pub mod patience;
pub mod pool;
pub mod rendezvous;
pub mod route;
pub mod slices;
pub mod source;
pub mod token;
