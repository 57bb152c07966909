//! The embedded database: shared by all its users, alive whatever is killed, and gone with the last of them.
//!
//! Each test has a data folder, and thus a cluster, of its own.
//!
//! | module | what it shows |
//! |---|---|
//! | `accounts` | root, an ordinary user, and folders that are closed to them |
//! | `fetching` | programs from a mirror, where the machine has none that would do |
//! | `folder` | the data folder of one test, and the processes that live from it |
//! | `kills` | what a killed process takes with it: nothing that was committed |
//! | `making` | a cluster is made whole or not at all, whoever is killed or gives up |
//! | `places` | any path will do, and a data folder can be moved |
//! | `refusals` | what a person is told when there can be no database |
//! | `sharing` | one server for many users, stopped by the last |

mod accounts;
mod fetching;
mod folder;
mod kills;
mod making;
mod places;
mod refusals;
mod sharing;
