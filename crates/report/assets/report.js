// The slider of each timeline; without scripts the last picture is shown.
for (const timeline of document.querySelectorAll(".timeline")) {
  const pictures = [...timeline.querySelectorAll("img")];
  const label = timeline.querySelector("label");
  const slider = label.querySelector("input");
  const output = label.querySelector("output");
  const show = () => {
    const at = Number(slider.value);
    pictures.forEach((picture, place) => { picture.hidden = place !== at; });
    output.textContent = pictures[at].dataset.at;
    slider.setAttribute("aria-valuetext", pictures[at].dataset.at);
  };
  slider.addEventListener("input", show);
  label.hidden = false;
  show();
}
