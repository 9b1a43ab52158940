//! What an image may be at most.

/// What an image may be at most. Whoever makes images may be anybody, so everything that grows with
/// one has its bound here. An image over a bound is refused whole, with the bound's name.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most bytes of a manifest, an index or an image's configuration. Default 4 MiB, the least a
    /// registry must take by the specification.
    pub document_bytes_max: u64,
    /// Most layers. Default 127, as in Docker.
    pub layers_max: usize,
    /// Most bytes of a layer as it is fetched, compressed as a rule. Default 8 GiB.
    pub blob_bytes_max: u64,
    /// Most bytes of all layers together, unpacked. Default 16 GiB.
    pub unpacked_bytes_max: u64,
    /// Most bytes of one file. Default 4 GiB.
    pub file_bytes_max: u64,
    /// Most files, directories and links of all layers together, with the directories that are only part of a
    /// path. Default 1 million.
    pub entries_max: u64,
    /// Most bytes of a path within an image, and of a link's target. Default 4095, the system's own bound.
    pub path_bytes_max: usize,
    /// Most directories one within the other. Default 128.
    pub depth_max: usize,
    /// Most bytes that one byte of a layer may become, looked at from [`EXPANSION_FREE_BYTES`] on.
    /// Default 200: what people ship is below 20; a bomb is at 1000 and more.
    pub expansion_max: u64,
}

/// A layer that unpacks to less may expand as it likes: small files of zeros are nobody's harm.
pub const EXPANSION_FREE_BYTES: u64 = 64 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: 4 << 20,
            layers_max: 127,
            blob_bytes_max: 8 << 30,
            unpacked_bytes_max: 16 << 30,
            file_bytes_max: 4 << 30,
            entries_max: 1_000_000,
            path_bytes_max: 4095,
            depth_max: 128,
            expansion_max: 200,
        }
    }
}
