import fc from "fast-check";

/** Property tests repeat themselves unless told otherwise: `V4KIT_SEED=7 make test` looks elsewhere. */
fc.configureGlobal({ seed: Number(process.env.V4KIT_SEED ?? 20260424) });
