//! Adds the manifest to a finished component, for languages whose compilers cannot place
//! bytes in a custom section.
//!
//! A custom section may stand behind all others (WebAssembly core specification, 5.5.3,
//! which components share): id 0, the length of what follows, the name with its length,
//! and the bytes. So nothing that is there is touched.

use super::{MANIFEST_SECTION, ManifestError, PluginManifest, check, read, sections};

/// The id of a custom section.
const CUSTOM: u8 = 0;

/// The component with its manifest.
///
/// # Errors
/// [`ManifestError`]: the bytes are no component, have a manifest already, or the
/// manifest is one that no host would take.
pub fn embed(component: &[u8], manifest: &PluginManifest) -> Result<Vec<u8>, ManifestError> {
    check(manifest)?;
    if !sections(component)?.is_empty() {
        return Err(ManifestError::Already);
    }
    let json = serde_json::to_vec(manifest).expect("a manifest is words only");
    let mut whole = component.to_vec();
    append(&mut whole, MANIFEST_SECTION, &json);
    // What no host would read is not handed out: a section that is too large, say.
    read(&whole)?;
    Ok(whole)
}

fn append(component: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::with_capacity(name.len() + data.len() + 1);
    leb128(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    component.push(CUSTOM);
    leb128(component, body.len());
    component.extend_from_slice(&body);
}

/// An unsigned number, seven bits a byte, the lowest first; the top bit says that more
/// follow.
fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits fit into a byte");
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract_name::CONTRACT;
    use crate::request::Request;
    use crate::world::World;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn manifest(name: &str) -> PluginManifest {
        PluginManifest {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            world: World::Store,
            contract: CONTRACT.to_owned(),
            requests: vec![Request::named("files.write").unwrap()],
            optional: Vec::new(),
            action: None,
        }
    }

    #[test]
    fn what_is_embedded_is_read_back_and_the_rest_stays() {
        let whole = embed(COMPONENT, &manifest("store-x")).unwrap();
        assert_eq!(read(&whole).unwrap(), manifest("store-x"));
        assert!(whole.starts_with(COMPONENT));
    }

    #[test]
    fn a_second_manifest_is_refused() {
        let whole = embed(COMPONENT, &manifest("store-x")).unwrap();
        assert!(matches!(
            embed(&whole, &manifest("store-y")),
            Err(ManifestError::Already)
        ));
    }

    #[test]
    fn what_no_host_would_read_is_not_written() {
        let module = b"\0asm\x01\0\0\0";
        assert!(matches!(
            embed(module, &manifest("store-x")),
            Err(ManifestError::CoreModule)
        ));
        assert!(matches!(
            embed(COMPONENT, &manifest("Store")),
            Err(ManifestError::BadWord { .. })
        ));
        let other = PluginManifest {
            contract: "drydock:plugin@9.9.9".to_owned(),
            ..manifest("store-x")
        };
        assert!(matches!(
            embed(COMPONENT, &other),
            Err(ManifestError::OtherContract { .. })
        ));
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        for (number, expected) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0x80, 1]),
            (624_485, vec![0xe5, 0x8e, 0x26]),
        ] {
            let mut bytes = Vec::new();
            leb128(&mut bytes, number);
            assert_eq!(bytes, expected);
        }
    }
}
