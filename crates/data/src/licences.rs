//! The terms of published data sets that forbid copies, restrict use or state no licence.

/// The terms of a published data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The word by which a user accepts them.
    pub name: &'static str,
    /// The terms in one or two sentences.
    pub terms: &'static str,
    /// The page of the authors.
    pub address: &'static str,
}

/// The kinds of data set with terms.
const TERMS: [(&str, Terms); 8] = [
    (
        "lfw",
        Terms {
            name: "lfw",
            terms: "LFW states no licence for its images, which are press photographs of real people. Captions of \
                    Face2Text are for research and teaching, must be cited and may not be passed on.",
            address: "https://vis-www.cs.umass.edu/lfw/ and https://doi.org/10.5281/zenodo.6569853",
        },
    ),
    (
        "face2text",
        Terms {
            name: "face2text",
            terms: "Face2Text is for research and teaching, must be cited and may not be passed on; its images are \
                    those of CelebA, for non-commercial research alone.",
            address: "https://doi.org/10.5281/zenodo.6569853",
        },
    ),
    (
        "celeba",
        Terms {
            name: "celeba",
            terms: "CelebA is for non-commercial research alone. Its images may not be copied, published or passed \
                    on, except for internal use at one site.",
            address: "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        },
    ),
    (
        "celeba-dialog",
        Terms {
            name: "celeba-dialog",
            terms: "CelebA-Dialog is for non-commercial research alone; its images are those of CelebA, which may \
                    not be passed on.",
            address: "https://mmlab.ie.cuhk.edu.hk/projects/CelebA/CelebA_Dialog.html",
        },
    ),
    (
        "mm-celeba-hq",
        Terms {
            name: "mm-celeba-hq",
            terms: "Multi-Modal-CelebA-HQ is for non-commercial research alone; its images are those of CelebA-HQ, \
                    which may not be passed on.",
            address: "https://github.com/IIGROUP/MM-CelebA-HQ-Dataset",
        },
    ),
    (
        "ffhq",
        Terms {
            name: "ffhq",
            terms: "FFHQ is under CC BY-NC-SA 4.0: not for commercial use, with credit, and under the same terms \
                    when passed on. Its authors also ask not to use it for face recognition.",
            address: "https://github.com/NVlabs/ffhq-dataset",
        },
    ),
    (
        "coco",
        Terms {
            name: "coco",
            terms: "The captions of COCO are under CC BY 4.0; its images are under the terms of Flickr and of their \
                    authors, which the user must follow.",
            address: "https://cocodataset.org/#termsofuse",
        },
    ),
    (
        "flickr8k",
        Terms {
            name: "flickr8k",
            terms: "Flickr8k is for non-commercial research and education; its images are under the terms of Flickr \
                    and may not be passed on.",
            address: "https://hockenmaier.cs.illinois.edu/8k-pictures.html",
        },
    ),
];

/// The terms of a kind of data set.
pub(crate) fn terms(kind: &str) -> Option<Terms> {
    TERMS.iter().find(|(name, _)| *name == kind).map(|(_, terms)| *terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_with_terms_is_accepted_by_its_own_name_and_has_an_address() {
        for (kind, terms) in TERMS {
            assert_eq!(terms.name, kind);
            assert!(terms.address.starts_with("https://") && terms.terms.ends_with('.'), "{kind}");
        }
        assert!(terms("folder").is_none() && terms("procedural").is_none());
    }
}
