"""What the cards say in words; the keys are the names of Croissant's responsible-AI vocabulary, version 1.0."""

from __future__ import annotations

USES = "research on generating and stylizing faces, and on measuring it"
FORBIDDEN_USES = (
    "recognizing, identifying or tracking people",
    "sorting people by looks",
    "building or extending a face-recognition database (EU AI Act, Art. 5(1)(e))",
    "passing off works as an artist's own",
    "any use that a picture's licence does not allow",
)
WORDS: dict[str, str] = {
    "dataCollection": (
        "Every picture is taken from its source by a crawler that asks for consent first: robots.txt, the work's "
        "tags and page, the picture's headers, a local opt-out list, and the file's embedded rights. Without "
        "evidence the answer is no. The column `consent` holds the evidence of each picture."
    ),
    "dataCollectionMissingData": (
        "What a source does not state is an empty cell and counts as unknown below; nothing is guessed. Works that "
        "were refused stand in rejects.parquet with stage, reason and evidence, except those whose artists opted out."
    ),
    "dataCollectionRawData": ("Pictures of whole works as their source serves them, named by SHA-256 of the bytes."),
    "dataPreprocessingProtocol": (
        "Decoded to 8-bit sRGB with the picture's orientation and colour profile applied, faces found, cut and "
        "warped by the alignment recipe named in each row, copies joined into clusters, and judged by written "
        "thresholds."
    ),
    "dataAnnotationProtocol": (
        "68 landmarks a face from a detector, or the points of the source's own list; people may drop a face or "
        "place five points by hand. No labels of persons, gender, age, ethnicity or emotion are made."
    ),
    "machineAnnotationTools": (
        "dlib's frontal face detector and 68-point shape predictor; the column `detector` names it a row."
    ),
    "personalSensitiveInformation": (
        "Portraits may show real people. The release holds no names of sitters beyond titles given by the source, "
        "no biometric template and no face-recognition embedding; whatever networks compute of that kind while "
        "training or measuring stays in memory. Artists' names and addresses are there so that works can be "
        "credited and found."
    ),
    "dataUseCases": (f"{USES[0].upper()}{USES[1:]}. Not for: {'; '.join(FORBIDDEN_USES)}."),
    "dataSocialImpact": (
        "Generators trained on art can imitate living artists. Works carry credit and terms one by one, artists "
        "can find theirs with 'aahq lookup' and have them taken out with 'aahq remove'; models that are trained on "
        "a superseded manifest should say so."
    ),
    "dataLimitations": (
        "Faces that detectors miss (profiles, strong abstraction, non-human faces) are missing here too unless a "
        "person placed them. Stated licences are the source's word and were not checked by a lawyer."
    ),
    "dataReleaseMaintenancePlan": (
        "Removals make a new manifest; superseded.json lists the digests of manifests that must not be used any "
        "more, and removals.json holds salted hashes by which other copies shrink (aahq sync)."
    ),
}
