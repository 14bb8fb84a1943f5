//! The in-memory store against the contract, and the executor of operations.

mod executor;

mod memory {
    //! The contract, in memory.
    store::contract_of_a_back_end!(store::Memory::new);
}
