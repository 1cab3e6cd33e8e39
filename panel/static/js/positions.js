// The rows of a list share out the positions that they have: numbered from 0, as is usual, those of the second page
// would move before the first.
window.sortRecords = (event) => {
    const inputs = [...event.from.querySelectorAll('input[name$="-position"]:not([type="hidden"])')];
    const positions = inputs.map((input) => Number(input.value) || 0).sort((one, other) => one - other);
    let last = -1;
    inputs.forEach((input, place) => {
        last = Math.max(positions[place], last + 1);
        input.value = last;
    });
};
