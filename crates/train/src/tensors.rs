//! Named tensors as bytes: safetensors with one metadata entry, so that equal content gives equal
//! bytes, and with numbers that are checked when they are read.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

/// The only key of the metadata; its value is JSON.
const KEY: &str = "t2f";

/// Serialises tensors, in name order, with a JSON text beside them.
///
/// # Errors
/// If a tensor cannot be read from its device.
pub fn to_bytes(tensors: &BTreeMap<String, Tensor>, json: &str) -> Result<Vec<u8>, String> {
    let metadata = HashMap::from([(KEY.to_owned(), json.to_owned())]);
    safetensors::serialize(tensors, Some(metadata)).map_err(|error| error.to_string())
}

/// Reads tensors and the JSON text back, on the CPU.
///
/// # Errors
/// If the bytes are no safetensors, or a tensor holds a NaN or an infinity (each is named).
pub fn from_bytes(bytes: &[u8]) -> Result<(BTreeMap<String, Tensor>, String), String> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| format!("not a safetensors file: {error}"))?;
    let json = header.metadata().as_ref().and_then(|map| map.get(KEY)).cloned().unwrap_or_default();
    let stored =
        candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|error| error.to_string())?;
    let tensors: BTreeMap<String, Tensor> = stored.into_iter().collect();
    all_finite(&tensors)?;
    Ok((tensors, json))
}

/// # Errors
/// If a tensor holds a NaN or an infinity; each is named.
pub fn all_finite(tensors: &BTreeMap<String, Tensor>) -> Result<(), String> {
    let bad: Vec<&str> =
        tensors.iter().filter(|(_, tensor)| !finite(tensor)).map(|(name, _)| name.as_str()).collect();
    match bad.as_slice() {
        [] => Ok(()),
        bad => Err(format!("holds NaN or infinity in {}", bad.join(", "))),
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
    fn equal_tensors_give_equal_bytes_and_come_back() {
        let tensor = |x: f32| Tensor::new(&[x, 2.], &Device::Cpu).unwrap();
        let map = BTreeMap::from([("b".to_owned(), tensor(1.)), ("a".to_owned(), tensor(3.))]);
        let bytes = to_bytes(&map, "{\"n\":1}").unwrap();
        assert_eq!(bytes, to_bytes(&map.clone(), "{\"n\":1}").unwrap());
        let (back, json) = from_bytes(&bytes).unwrap();
        assert_eq!(json, "{\"n\":1}");
        assert_eq!(back["a"].to_vec1::<f32>().unwrap(), [3., 2.]);
    }

    #[test]
    fn nan_and_rubbish_are_named() {
        let tensor = Tensor::new(&[f32::NAN], &Device::Cpu).unwrap();
        let bytes = to_bytes(&BTreeMap::from([("w".to_owned(), tensor)]), "").unwrap();
        assert!(from_bytes(&bytes).unwrap_err().contains("NaN or infinity in w"));
        assert!(from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(from_bytes(b"not safetensors").is_err());
    }
}
