//! The embedded database: shared by all its users, surviving any killed process, and stopped with its last user.
//!
//! Each test has a data folder, and thus a cluster, of its own.
//!
//! | module | subject |
//! |---|---|
//! | `accounts` | root, an ordinary user, and folders that they cannot access |
//! | `fetching` | downloads from a mirror if the machine has no suitable version |
//! | `folder` | the data folder of one test, and the processes that use it |
//! | `kills` | killed processes: nothing that was committed is lost |
//! | `making` | a cluster is created completely or not at all |
//! | `places` | any path works, and a data folder can be moved |
//! | `refusals` | errors when there can be no database |
//! | `sharing` | one server for many users, stopped by the last |

mod accounts;
mod fetching;
mod folder;
mod kills;
mod making;
mod places;
mod refusals;
mod sharing;
