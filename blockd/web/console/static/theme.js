// Before anything is painted: the look that was chosen in this browser.
const kept = localStorage.getItem("blockd-theme");
if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
