/** Cividis at ten equal steps: even in lightness, and the same to readers with any colour vision. */
const ANCHORS: readonly (readonly [number, number, number])[] = [
  [0x00, 0x22, 0x4e],
  [0x12, 0x35, 0x70],
  [0x3b, 0x49, 0x6c],
  [0x57, 0x5d, 0x6d],
  [0x70, 0x71, 0x73],
  [0x8a, 0x86, 0x78],
  [0xa5, 0x9c, 0x74],
  [0xc3, 0xb3, 0x69],
  [0xe1, 0xcc, 0x55],
  [0xfe, 0xe8, 0x38],
];

export type Rgb = readonly [number, number, number];

/** The colour of a score from 0 to 1. The scale is fixed, so that two maps can be compared by eye. */
export function colorOf(score: number): Rgb {
  const place = Math.min(1, Math.max(0, score)) * (ANCHORS.length - 1);
  const low = Math.min(ANCHORS.length - 2, Math.floor(place));
  return ANCHORS[low].map((value, i) =>
    Math.round(value + (place - low) * (ANCHORS[low + 1][i] - value)),
  ) as unknown as Rgb;
}

export const cssColor = (rgb: Rgb): string =>
  `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

/** Whether text on this score's colour is dark. */
export const takesDarkText = (score: number): boolean => score > 0.5;
