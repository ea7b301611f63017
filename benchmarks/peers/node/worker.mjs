// What runs in node's process: it reads a `Job` and answers as `benchmarks.workers` does, and has the names of its
// `jobs.py` and `tasks.py`. The argument is the folder that has node_modules. Times are seconds.
import { Console } from "node:console";
import { readSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";

const LINE_END = 10;
const LINGER = 0.5; // as in jobs.py
const now = () => performance.now() / 1000;
const sleep = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1000));
const tell = (what) => new Promise((told) => process.stdout.write(`${JSON.stringify(what)}\n`, told));

// Its default chain is memoized, and all callers share it. What it loads, it loads when it is made or asked.
function opened() {
  const sdk = createRequire(`${process.argv[2]}/`)("@aws-sdk/credential-providers");
  const provider = sdk.fromNodeProviderChain();
  return async () => (await provider()).accessKeyId;
}

// Waits for a line while nothing else runs. `process.stdin` would let the event loop run.
function readLine() {
  const line = [];
  const byte = Buffer.alloc(1);
  while (readSync(0, byte) && byte[0] !== LINE_END) line.push(byte[0]);
  return Buffer.from(line).toString();
}

// What became of every ask of every caller.
class Asks {
  constructor(job, firstKey, firstCame) {
    Object.assign(this, { job, firstKey, firstCame, found: [] });
    this.open = new Float64Array(job.callers).fill(NaN); // ten thousand entries of a Map take node a quarter longer
    this.memory = process.memoryUsage().rss;
    this.began = now();
  }

  begin(caller) {
    this.open[caller] = now();
  }

  got(caller, key) {
    const isOld = this.job.life !== null && key === this.firstKey;
    this.end(caller, isOld && now() - this.firstCame > this.job.life ? "stale" : "served");
  }

  end(caller, ending) {
    this.found.push([caller, this.open[caller], now(), ending]);
    this.open[caller] = NaN;
  }

  async tell() {
    const end = now();
    const all = [...this.open].map((begun, caller) => [caller, begun, end, "waits"]);
    const waiting = all.filter(([, begun]) => !Number.isNaN(begun));
    await tell({
      asks: [...this.found, ...waiting].map(([caller, begun, ended, ending]) => [
        caller,
        Number((begun - this.began).toFixed(7)),
        Number((ended - begun).toFixed(9)),
        ending,
      ]),
      seconds: end - this.began,
      memory: Math.max(0, process.resourceUsage().maxRSS * 1024 - this.memory), // it counts in KiB
    });
  }
}

// Asks, for at most so many seconds; null: that was too short. The ask goes on, as a promise cannot be cancelled.
async function patiently(ask, seconds) {
  let timer;
  const tooLong = new Promise((giveUp) => {
    timer = setTimeout(giveUp, seconds * 1000, null);
  });
  try {
    return await Promise.race([ask(), tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

async function call(number, ask, job, asks) {
  for (let again = 0; again < job.asks; again++) {
    if (again && job.every) await sleep(job.every);
    asks.begin(number);
    try {
      const key = await (job.deadline === null ? ask() : patiently(ask, job.deadline));
      if (key === null) {
        asks.end(number, "gave up");
        continue;
      }
      asks.got(number, key);
      if (job.deadline !== null) return;
    } catch (error) {
      asks.end(number, error?.name ?? String(error)); // anything can be thrown
    }
  }
}

async function concurrent(job) {
  if (job.cancel_first !== null) throw new Error("a promise cannot be cancelled");
  if (job.is_warm) await opened()();
  const ask = opened();
  const first = job.life === null ? null : await ask();
  const came = now();
  await sleep(job.after);
  await tell("ready");
  readLine();
  const asks = new Asks(job, first, came);
  const callers = Array.from({ length: job.callers }, (_, number) => call(number, ask, job, asks));
  await Promise.race([Promise.all(callers), sleep(job.cap)]);
  await asks.tell();
  await sleep(LINGER);
}

async function resolve(job) {
  const samples = [];
  for (let again = 0; again < job.asks; again++) {
    const started = now();
    await opened()();
    samples.push(now() - started);
  }
  await tell({ samples });
}

async function hit(job) {
  const ask = opened();
  await ask();
  const samples = [];
  for (let again = 0; again < job.asks; again++) {
    const started = now();
    for (let once = 0; once < job.callers; once++) await ask();
    samples.push((now() - started) / job.callers);
  }
  await tell({ samples });
}

globalThis.console = new Console(process.stderr); // the output is for answers
// Nothing is reached beyond loopback. An error would not do, as the SDK tries again and goes on.
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const host = net._normalizeArgs(Array.isArray(given[0]) ? given[0] : given)[0].host ?? "localhost";
  if (["localhost", "127.0.0.1", "::1"].includes(host)) return connect.apply(this, given);
  console.error(`reached beyond loopback: ${host}`);
  return process.exit(1);
};
process.on("unhandledRejection", () => {}); // it would end the process, and with it all who still wait

try {
  for (let line = readLine(); line; line = readLine()) {
    const job = JSON.parse(line);
    await { concurrent, resolve, hit }[job.kind](job);
  }
  process.exit(0); // callers that still wait would keep the process
} catch (error) {
  console.error(String(error).replaceAll("\n", " ")); // the last line says why there is no answer
  process.exit(1);
}
