//! Named tensors as safetensors bytes with one metadata entry. Equal content gives equal bytes, and
//! reading checks hash and values.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

/// The only key of the metadata. Its value is the blake3 hash of the whole file, computed with zeros in
/// its place, followed by JSON. Files of older builds have the JSON alone.
const KEY: &str = "t2f";
/// The beginning of the value in the file.
const START: &[u8] = b"\"t2f\":\"";
/// Hexadecimal digits of the hash.
const SEAL: usize = 64;

/// Serialises tensors in the order of their names, with a JSON text.
///
/// # Errors
/// If a tensor cannot be read from its device.
pub fn to_bytes(tensors: &BTreeMap<String, Tensor>, json: &str) -> Result<Vec<u8>, String> {
    let metadata = HashMap::from([(KEY.to_owned(), format!("{}{json}", "0".repeat(SEAL)))]);
    let mut bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|error| error.to_string())?;
    let place = place_of_seal(&bytes).ok_or("the header has no place for the hash")?;
    let seal = blake3::hash(&bytes).to_hex();
    bytes[place..place + SEAL].copy_from_slice(seal.as_bytes());
    Ok(bytes)
}

/// The position of the hash: after the first occurrence of the key, which is in the header.
fn place_of_seal(bytes: &[u8]) -> Option<usize> {
    let start = bytes.windows(START.len()).position(|window| window == START)? + START.len();
    (start + SEAL <= bytes.len()).then_some(start)
}

/// Compares the hash with the rest of the file.
fn check_seal(bytes: &[u8], seal: &str) -> Result<(), String> {
    let place = place_of_seal(bytes).ok_or("damaged: the header has no place for the hash")?;
    let mut hash = blake3::Hasher::new();
    hash.update(&bytes[..place]).update(&[b'0'; SEAL]).update(&bytes[place + SEAL..]);
    if hash.finalize().to_hex().as_str() == seal {
        return Ok(());
    }
    Err("damaged: the blake3 hash of the content does not match".into())
}

/// The blake3 hash of each tensor's bytes, by name.
///
/// # Errors
/// If the bytes are not a safetensors file.
pub fn hashes(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("not a safetensors file: {error}"))?;
    let hash = |(name, view): (&str, safetensors::tensor::TensorView)| {
        (name.to_owned(), blake3::hash(view.data()).to_hex().to_string())
    };
    Ok(file.iter().map(hash).collect())
}

/// Reads tensors, on the CPU, and the JSON text.
///
/// # Errors
/// If the bytes are not a safetensors file, the hash does not match, or a tensor contains NaN or infinity
/// (the message names each).
pub fn from_bytes(bytes: &[u8]) -> Result<(BTreeMap<String, Tensor>, String), String> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| format!("not a safetensors file: {error}"))?;
    let value = header.metadata().as_ref().and_then(|map| map.get(KEY)).cloned().unwrap_or_default();
    let json = match value.split_at_checked(SEAL) {
        Some((seal, json)) if seal.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            check_seal(bytes, seal)?;
            json.to_owned()
        }
        _ => value,
    };
    let stored =
        candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|error| error.to_string())?;
    let tensors: BTreeMap<String, Tensor> = stored.into_iter().collect();
    all_finite(&tensors)?;
    Ok((tensors, json))
}

/// The first tensor in the order of names that contains NaN or infinity, and that value.
pub fn first_not_finite(tensors: &BTreeMap<String, Tensor>) -> Option<(&str, f32)> {
    let (name, tensor) = tensors.iter().find(|(_, tensor)| !finite(tensor))?;
    let values = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()).and_then(|t| t.to_vec1::<f32>());
    let value = values.ok().and_then(|values| values.into_iter().find(|value| !value.is_finite()));
    Some((name, value.unwrap_or(f32::NAN)))
}

/// The names of the tensors that contain NaN or infinity.
pub fn not_finite(tensors: &BTreeMap<String, Tensor>) -> Vec<&str> {
    tensors.iter().filter(|(_, tensor)| !finite(tensor)).map(|(name, _)| name.as_str()).collect()
}

/// # Errors
/// If a tensor contains NaN or infinity; the message names each.
pub fn all_finite(tensors: &BTreeMap<String, Tensor>) -> Result<(), String> {
    match not_finite(tensors).as_slice() {
        [] => Ok(()),
        bad => Err(format!("contains NaN or infinity in {}", bad.join(", "))),
    }
}

fn finite(tensor: &Tensor) -> bool {
    if !tensor.dtype().is_float() {
        return true;
    }
    let values = tensor.to_dtype(DType::F64).and_then(|t| t.flatten_all()).and_then(|t| t.to_vec1::<f64>());
    values.is_ok_and(|values| values.iter().all(|value| value.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tensors_give_equal_bytes_and_round_trip() {
        let tensor = |x: f32| Tensor::new(&[x, 2.], &Device::Cpu).unwrap();
        let map = BTreeMap::from([("b".to_owned(), tensor(1.)), ("a".to_owned(), tensor(3.))]);
        let bytes = to_bytes(&map, "{\"n\":1}").unwrap();
        assert_eq!(bytes, to_bytes(&map.clone(), "{\"n\":1}").unwrap());
        let (back, json) = from_bytes(&bytes).unwrap();
        assert_eq!(json, "{\"n\":1}");
        assert_eq!(back["a"].to_vec1::<f32>().unwrap(), [3., 2.]);
    }

    #[test]
    fn nan_and_invalid_bytes_are_refused() {
        let tensor = Tensor::new(&[f32::NAN], &Device::Cpu).unwrap();
        let bytes = to_bytes(&BTreeMap::from([("w".to_owned(), tensor)]), "").unwrap();
        assert!(from_bytes(&bytes).unwrap_err().contains("NaN or infinity in w"));
        assert!(from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(from_bytes(b"not safetensors").is_err());
    }
}
