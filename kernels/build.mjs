/**
 * Compiles kernels/c into one Node-API addon, dist/kernels/v4kit-kernels.node, with the C compiler in $CC (or
 * cc) and node-api-headers alone. Every kernel source is compiled once per instruction set. A missing compiler
 * is not a failure: the TypeScript twins run instead, giving the same bytes slowly.
 *
 *   node kernels/build.mjs [--force] [--program bench|identity] [--sanitize] [--arch x64|arm64] [--out FILE]
 *
 * --program builds kernels/bench/NAME.c with the kernels into the program dist/kernels/NAME instead of the addon;
 * --sanitize adds AddressSanitizer and UndefinedBehaviorSanitizer; --arch is for a cross compiler in $CC.
 */
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sourceDir = join(root, "kernels", "c");
const jobs = 2;

/** Instruction sets by architecture, with the flags that enable them; `plain` is everywhere. */
const SETS = {
  x64: {
    plain: [],
    avx2: ["-DV4_AVX2", "-mavx2", "-mfma", "-mf16c"],
    avx512: ["-DV4_AVX512", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mf16c", "-mprefer-vector-width=512"],
  },
  arm64: { plain: [], neon: ["-DV4_NEON"] },
};

/** No -ffast-math and no contraction: every set must round every operation alike. */
const FLAGS = [
  ...["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fwrapv"],
  ...["-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"],
];
const SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];

/** gcc spends most of this file's compile time looking for redundancy in its unrolled tiles. */
const SLOW_IN_GCC = { "gemm.c": ["-fno-gcse", "-fno-gcse-after-reload"] };

function options(argv) {
  const valueOf = (name) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);
  const program = valueOf("--program");
  return {
    program,
    force: argv.includes("--force"),
    sanitize: argv.includes("--sanitize"),
    arch: valueOf("--arch") ?? process.arch,
    out: valueOf("--out") ?? join(root, "dist", "kernels", program ?? "v4kit-kernels.node"),
  };
}

/** The compiler as [command, ...arguments] and its version line, or undefined if it does not run. */
function findCompiler() {
  const command = (process.env.CC || "cc").split(" ").filter(Boolean);
  try {
    const version = execFileSync(command[0], [...command.slice(1), "--version"], { encoding: "utf8", stdio: "pipe" });
    return { command, version: version.split("\n")[0] };
  } catch {
    return undefined;
  }
}

function includeDirectory() {
  const require = createRequire(import.meta.url);
  return require("node-api-headers").include_dir;
}

const digestOf = (parts) => createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 24);

/** The text of a source and of every file of ours that it includes: whatever changes its object file. */
function textOf(path, seen = new Set()) {
  if (seen.has(path)) return "";
  seen.add(path);
  const text = readFileSync(path, "utf8");
  const included = [...text.matchAll(/^#include "(.+)"/gm)].map(([, name]) => textOf(join(dirname(path), name), seen));
  return [text, ...included].join("\0");
}

/** Runs the compiler once per item, `jobs` at a time. */
async function runAll(compiler, items, argumentsOf) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      const { stderr } = await run(compiler.command[0], [...compiler.command.slice(1), ...argumentsOf(items[index], index)]);
      if (stderr) console.error(stderr); // warnings
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

/**
 * Compiles vec.h once per instruction set: the compiler's own vector headers are most of what a small source costs.
 * A stub of that name stands beside the result, for a compiler that does not take it. Returns the arguments
 * that include it, per set.
 */
async function precompileVectors(compiler, sets, flags, folder) {
  const stubs = Object.fromEntries(sets.map(([set]) => [set, join(folder, set, "vec.h")]));
  for (const stub of Object.values(stubs)) {
    mkdirSync(dirname(stub));
    writeFileSync(stub, `#include "${join(sourceDir, "vec.h")}"\n`);
  }
  try {
    const argumentsOf = ([set, extra]) => [...flags, ...extra, "-x", "c-header", stubs[set], "-o", `${stubs[set]}.gch`];
    await runAll(compiler, sets, argumentsOf);
  } catch {
    // the stubs do
  }
  return (set) => (set in stubs ? ["-include", stubs[set]] : []);
}

async function build({ program, force, sanitize, arch, out }) {
  const compiler = findCompiler();
  if (!compiler) {
    console.log(`kernels: no C compiler (${process.env.CC || "cc"}); the TypeScript kernels will run`);
    return;
  }
  const sets = SETS[arch] ?? { plain: [] };
  const flags = [...FLAGS, ...(sanitize ? SANITIZE : [])];

  const sources = readdirSync(sourceDir).filter((name) => name.endsWith(".c") && name !== "addon.c");
  const slow = compiler.version.includes("clang") ? {} : SLOW_IN_GCC;
  const setFlags = Object.entries(sets).map(([set, extra]) => [set, [`-DV4_SET=${set}`, ...extra]]);
  const units = setFlags
    .toReversed()
    .flatMap(([set, extra]) =>
      sources.map((name) => ({ set, path: join(sourceDir, name), extra: [...extra, ...(slow[name] ?? [])] })),
    );
  const setList = Object.keys(sets).map((set) => `SET(${set})`).join(" ");
  units.push({
    path: program ? join(root, "kernels", "bench", `${program}.c`) : join(sourceDir, "addon.c"),
    extra: [`-DV4_SETS(SET)=${setList}`, "-DNAPI_VERSION=8", `-I${includeDirectory()}`],
  });
  const objectDir = join(dirname(out), "objects");
  const objectOf = ({ path, extra }) =>
    join(objectDir, `${digestOf([...compiler.command, compiler.version, ...flags, ...extra, textOf(path)])}.o`);
  for (const unit of units) unit.object = objectOf(unit);
  const digest = digestOf(units.map(({ object }) => object));
  const stamp = `${out}.digest`;
  if (!force && existsSync(out) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;

  const startedMs = Date.now();
  mkdirSync(objectDir, { recursive: true });
  const temporary = mkdtempSync(join(dirname(out), ".build-"));
  try {
    const stale = units.filter(({ object }) => force || !existsSync(object));
    const manyStale = setFlags.filter(([set]) => stale.filter((unit) => unit.set === set).length > 3);
    const vectors = await precompileVectors(compiler, manyStale, flags, temporary);
    await runAll(compiler, stale, ({ set, path, extra }, index) => [
      ...flags,
      ...extra,
      ...vectors(set),
      ...["-c", path, "-o", join(temporary, `${index}.o`)],
    ]);
    for (const [index, unit] of stale.entries()) {
      if (objectOf(unit) !== unit.object) throw new Error(`${unit.path} changed while it was compiled`);
      renameSync(join(temporary, `${index}.o`), unit.object);
    }

    const linked = program ? ["-ldl"] : process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
    const binary = join(temporary, "linked");
    const objects = units.map(({ object }) => object);
    await runAll(compiler, [objects], () => [...(sanitize ? SANITIZE : []), ...objects, ...linked, "-lm", "-pthread", "-o", binary]);
    renameSync(binary, out);
    writeFileSync(stamp, digest);
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
    console.log(`kernels: ${Object.keys(sets).join(", ")} built with ${compiler.version} in ${seconds} s`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

try {
  await build(options(process.argv.slice(2)));
} catch (error) {
  console.error(`kernels: the C compiler failed\n${error.stderr ?? error.stack}`);
  process.exitCode = 1;
}
