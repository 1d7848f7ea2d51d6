import { inverseIf, min } from "./f32.ts";

const fround = Math.fround;

/**
 * The factor that gives a finished block the energy it had: sqrt(sum w x^2 / sum w y^2), at most 2.
 *
 * A scale found by least squares is too small for noisy codes: y comes out as the projection of x. One such matrix is
 * the best for its own error; three of them in a row, as in an expert, shrink the output by their product. Measured on
 * a trained model, the block that keeps its energy has the lower KL at two and three bits, though a slightly larger
 * error; at four bits there is nothing to gain (docs/kernels.md).
 */
export function keepEnergy(energy: number, kept: number): number {
  const some = energy > 0 && kept > 0;
  return some ? min(fround(Math.sqrt(fround(energy * inverseIf(some, kept)))), 2) : 1;
}
