//! The redb back end: the contract, opening, and a disk that fails.

mod crash;
mod disk;
mod killed;
mod opening;
mod place;
mod trouble;

mod contract {
    //! The contract, on a disk in memory.
    use crate::disk::Disk;
    use store_redb::{Options, RedbStore};

    fn fresh() -> RedbStore {
        RedbStore::with_backend(Box::new(Disk::default()), Options::default()).expect("opens")
    }

    store::contract_of_a_back_end!(fresh);
}

mod contract_of_a_file {
    //! The contract, in a file.
    use crate::place::Place;
    use store_redb::{Options, RedbStore};

    store::contract_of_a_persistent_back_end!(Place::new, |place: &Place| {
        RedbStore::open(place.store(), Options::default()).expect("opens")
    });
}
