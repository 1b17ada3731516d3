//! Weights of PyTorch networks from a file: `.pth` in either of its forms, or safetensors.

use std::collections::BTreeMap;
use std::io::{Cursor, Seek};
use std::path::Path;

use candle_core::pickle::{Object, PthTensors, Stack};
use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The beginning of a `.pth` from before PyTorch 1.6: the pickle of its magic number.
const LEGACY: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
/// The most names that an error lists.
const LISTED: usize = 8;

/// Named tensors. A network takes those that it needs one by one.
#[derive(Debug)]
pub struct StateDict {
    tensors: BTreeMap<String, Tensor>,
    wrong: Vec<String>,
    sha256: String,
}

impl StateDict {
    /// Reads a file, as `f32` on the CPU.
    ///
    /// # Errors
    /// If it cannot be read or has none of the forms.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        // candle's unpickler panics on some damaged files, which must not end the program.
        let read = std::panic::AssertUnwindSafe(|| -> Result<BTreeMap<String, Tensor>> {
            if bytes.starts_with(b"PK") {
                let file = PthTensors::new(path, None)?;
                let names = file.tensor_infos().keys();
                let read = |name: &String| Ok(file.get(name)?.map(|tensor| (name.clone(), tensor)));
                return names.filter_map(|name| read(name).transpose()).collect();
            }
            if bytes.starts_with(&LEGACY) {
                return legacy(&bytes[LEGACY.len()..]);
            }
            Ok(candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?.into_iter().collect())
        });
        let tensors = std::panic::catch_unwind(read)
            .unwrap_or_else(|_| Err(Error::State("it is damaged".into())))
            .and_then(|tensors| {
                let floats = tensors.into_iter().map(|(name, t)| Ok((name, t.to_dtype(DType::F32)?)));
                floats.collect::<Result<BTreeMap<_, _>>>()
            })
            .map_err(|error| {
                Error::file(path, format!("has no weights: {error}; expected a .pth or .safetensors file"))
            })?;
        Ok(Self { tensors, wrong: Vec::new(), sha256 })
    }

    /// From tensors in memory.
    pub fn of(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors, wrong: Vec::new(), sha256: String::new() }
    }

    /// The SHA-256 of the file in hexadecimal, which PyTorch has in names of files; empty without a file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The blake3 hash of names, shapes and values, equal for every form of file.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn hash(&self) -> Result<String> {
        let mut hash = blake3::Hasher::new();
        for (name, tensor) in &self.tensors {
            hash.update(format!("{name}\0{:?}\0", tensor.dims()).as_bytes());
            for value in tensor.flatten_all()?.to_vec1::<f32>()? {
                hash.update(&value.to_le_bytes());
            }
        }
        Ok(hash.finalize().to_hex().to_string())
    }

    /// The tensor of a name. If there is none of that shape, the result is zeros and
    /// [`finish`](Self::finish) fails.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        match self.tensors.remove(name) {
            Some(tensor) if tensor.dims() == shape => return Ok(tensor),
            Some(tensor) => self.wrong.push(format!("{name} is {:?}, expected {shape:?}", tensor.dims())),
            None => self.wrong.push(format!("{name} is missing")),
        }
        Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?)
    }

    /// Checks that all tensors were found, and that `spare` is true of the names that are left.
    ///
    /// # Errors
    /// If not; the message lists the first few.
    pub fn finish(mut self, spare: impl Fn(&str) -> bool) -> Result<()> {
        let left = self.tensors.keys().filter(|name| !spare(name));
        self.wrong.extend(left.map(|name| format!("{name} is unknown")));
        if self.wrong.is_empty() {
            return Ok(());
        }
        let more = self.wrong.len().saturating_sub(LISTED);
        self.wrong.truncate(LISTED);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        Err(Error::State(format!("weights do not fit: {}{more}", self.wrong.join(", "))))
    }
}

/// The older form. The magic number is followed by the pickles of a version, of the properties of the
/// machine, of the tensors and of the names of their storages; then, for each name, by the number of
/// elements and the elements.
fn legacy(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let mut reader = Cursor::new(bytes);
    let mut next = || -> Result<Object> {
        let mut stack = Stack::empty();
        stack.read_loop(&mut reader)?;
        Ok(stack.finalize()?)
    };
    let (_version, _machine, tensors, storages) = (next()?, next()?, next()?, next()?);
    let (Object::Dict(tensors), Object::List(storages)) = (tensors, storages) else {
        return Err(Error::State("it is not a dictionary of tensors".into()));
    };
    let mut infos = Vec::new();
    for (name, value) in tensors {
        infos.extend(value.into_tensor_info(name, Path::new(""))?);
    }
    let mut rest = reader.stream_position().map_err(|error| Error::State(error.to_string()))? as usize;
    let mut data: BTreeMap<String, &[u8]> = BTreeMap::new();
    let torn = || Error::State("it ends too early".into());
    for storage in storages {
        let name = String::try_from(storage).map_err(|_| Error::State("a storage has no name".into()))?;
        let path = format!("/{name}");
        let size = infos.iter().find(|info| info.path == path).map(|info| info.dtype.size_in_bytes());
        let size = size.ok_or_else(|| Error::State(format!("storage {name} belongs to no tensor")))?;
        let count = bytes.get(rest..rest + 8).and_then(|count| count.try_into().ok()).ok_or_else(torn)?;
        let length = usize::try_from(i64::from_le_bytes(count)).ok().and_then(|n| n.checked_mul(size));
        let end = length.and_then(|length| (rest + 8).checked_add(length)).ok_or_else(torn)?;
        data.insert(path, bytes.get(rest + 8..end).ok_or_else(torn)?);
        rest = end;
    }
    let mut found = BTreeMap::new();
    for info in infos {
        let (layout, dtype) = (&info.layout, info.dtype);
        if !layout.is_contiguous() {
            return Err(Error::State(format!("{} is not contiguous", info.name)));
        }
        let start = layout.start_offset();
        let length = layout.shape().elem_count() * dtype.size_in_bytes();
        let raw = data.get(&info.path).and_then(|raw| raw.get(start..start.checked_add(length)?));
        let tensor = Tensor::from_raw_buffer(raw.ok_or_else(torn)?, dtype, layout.dims(), &Device::Cpu)?;
        found.insert(info.name, tensor);
    }
    Ok(found)
}
