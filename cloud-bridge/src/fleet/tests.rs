//! Promises of the fleet, told as conversations.
