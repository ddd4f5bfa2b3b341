//! What placement decides: membership and dissemination rounds as a state machine.
