//! Identity classes and which class may sign which.

/// What a key stands for.
/// Source: aSSURE table 7.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// The maker of the device.
    Manufacturer = 0,
    /// The Trusted Authority: its roots and its online keys.
    TrustedAuthority = 1,
    /// An owner's management system; for devices with a shared secret, an owner secret.
    ManagementSystem = 2,
    /// A bootstrap server.
    BootstrapService = 3,
    /// A device.
    Device = 4,
    /// A channel between two parties.
    Channel = 5,
}

/// Row: signer; column: what is signed.
const MATRIX: [[bool; 6]; 6] = {
    const Y: bool = true;
    const N: bool = false;
    [
        [Y, Y, N, N, Y, N],
        [N, Y, Y, Y, Y, N],
        [N, N, Y, Y, Y, Y],
        [N, N, N, N, N, N],
        [N, N, N, N, N, Y],
        [N, N, N, N, N, N],
    ]
};

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Manufacturer,
        Self::TrustedAuthority,
        Self::ManagementSystem,
        Self::BootstrapService,
        Self::Device,
        Self::Channel,
    ];

    /// The class with this number, when there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether a key of this class may sign a key of class `signed`.
    ///
    /// Rules of images stand on top: a class 3 key that a class 2 key signed opens no bootstrap session
    /// outside a walled garden, and the key that signs an image is itself signed by class 1.
    /// Source: aSSURE table 7.7 as rebuilt by ruling A-ASSURE-02.
    #[must_use]
    pub const fn may_sign(self, signed: Self) -> bool {
        MATRIX[self as usize][signed as usize]
    }

    /// Whether a key of this class may sign configuration data.
    #[must_use]
    pub const fn may_sign_configuration(self) -> bool {
        matches!(self, Self::ManagementSystem)
    }

    /// Whether a key of this class may sign bootstrap data.
    #[must_use]
    pub const fn may_sign_bootstrap_data(self) -> bool {
        matches!(self, Self::ManagementSystem)
    }
}
