import type { EngineVerdict } from "./engines/verdict.ts";
import type { MachineFit } from "./machines.ts";
import type { CacheSize } from "./memory.ts";
import type { OutputClass } from "./output-classes.ts";
import type { PlanFile } from "./plan-file.ts";

/** Seconds of a conversion, and what they are made of. */
export interface PredictedTime {
  readonly seconds: number;
  readonly boundBy: "processor" | "reading" | "writing";
  /** Opening, planning, starting workers; manifest and table at the end. */
  readonly fixedSeconds: number;
  readonly convertSeconds: number;
  readonly readSeconds: number;
  readonly writeSeconds: number;
  /** The part of the writing that is left when everything is converted. */
  readonly syncSeconds: number;
}

/** What holds for this machine at this moment, and for no other. */
export interface Here {
  readonly workers: number;
  /** The kernel set that would run. */
  readonly kernels: string;
  readonly time?: PredictedTime;
  /** Processors that were at work on the sample: fewer than workers on a busy machine. */
  readonly concurrency?: number;
  readonly readBytesPerSecond?: number;
  readonly writeBytesPerSecond?: number;
  /** By source format and storage, all workers together. */
  readonly rates?: readonly {
    readonly name: string;
    readonly values: number;
    readonly valuesPerSecond: number;
    readonly measured: boolean;
  }[];
  /** Resident memory at its peak. */
  readonly memoryBytes: number;
  /** Set where the source lies elsewhere. Times and rates are then those of `quantize --stream`. */
  readonly elsewhere?: {
    /** What a download takes: that much disk more, and so long before the conversion. */
    readonly downloadBytes: number;
    readonly downloadSeconds?: number;
    readonly bytesPerSecond?: number;
    /** What a stream takes of the disk instead. */
    readonly windowBytes: number;
  };
  /** Disk that the conversion takes at its peak, and what is free where it goes. */
  readonly diskBytes: number;
  readonly freeBytes: number;
}

/** plan.json: what decides (`PlanFile`), what follows from it, and what holds for this machine only. */
export interface PlanReport extends PlanFile {
  readonly model: string;
  readonly sourceBytes: number;
  readonly classes: readonly OutputClass[];
  /** By the names that `quantize` gives them, with headers: exact. */
  readonly files: readonly {
    readonly name: string;
    readonly kind: "model" | "mtp";
    readonly byteLength: number;
  }[];
  readonly byteLength: number;
  readonly bitsPerWeight: number;
  readonly importance: string;
  readonly cache: CacheSize;
  readonly engines: readonly EngineVerdict[];
  readonly machines: readonly MachineFit[];
  readonly here: Here;
}
