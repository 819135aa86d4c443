import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { StartError } from "../../errors.ts";
import type { Binaries } from "./binaries.ts";
import { type Place, port, type Site } from "./place.ts";
import { readLock } from "./recover.ts";

/** Milliseconds for a fast shutdown before the server must stop without its last checkpoint. */
const stopPatience = 30_000;

/** Milliseconds to wait for the remaining processes of a killed server. */
const startPatience = 60_000;

/**
 * Starts the server and waits until it accepts connections. Throws StartError with the last words of its log
 * when it stops instead.
 */
export async function startPostmaster(
  binaries: Binaries,
  place: Site,
  socketFolder: string,
  durable: boolean,
): Promise<ChildProcess> {
  const until = performance.now() + startPatience;
  while (true) {
    const server = await launch(binaries, place, socketFolder, durable);
    if (await becomesReady(server, place)) return server;
    const words = await lastWords(place);
    if (!words.includes("shared memory block") || performance.now() > until) {
      throw new StartError(`The embedded PostgreSQL did not start (${words}). Its log is ${place.log}.`);
    }
    // A backend of a server that was killed is still at its last statement; it ends with that.
    await sleep(100);
  }
}

/** Stops the server: open transactions are rolled back, and committed data is on disk. */
export async function stopPostmaster(server: ChildProcess): Promise<void> {
  if (hasEnded(server)) return;
  server.ref();
  const ended = once(server, "exit");
  server.kill("SIGINT");
  const patience = setTimeout(() => server.kill("SIGQUIT"), stopPatience);
  await ended;
  clearTimeout(patience);
}

async function launch(
  binaries: Binaries,
  place: Site,
  socketFolder: string,
  durable: boolean,
): Promise<ChildProcess> {
  await using log = await open(place.log, "w", 0o600);
  const server = spawn(binaries.postgres, serverArguments(place.data, socketFolder, durable), {
    cwd: place.data,
    env: {},
    // A session of its own: Ctrl-C in a terminal reaches this process, which stops the server when it is not
    // needed any more.
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    ...place.runAs,
  });
  server.unref();
  await once(server, "spawn").catch((cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? cause.code : "unknown reason";
    throw new StartError(`The embedded PostgreSQL cannot be run on ${place.data} (${String(code)}).`, {
      cause,
    });
  });
  return server;
}

/**
 * Waits for the word `ready` in the lock file of the server, as pg_ctl does. There is no time limit, because
 * recovery after a crash may take long.
 * @returns false when the server ends instead.
 */
async function becomesReady(server: ChildProcess, place: Place): Promise<boolean> {
  while (!hasEnded(server)) {
    const lock = await readLock(place.data);
    if (lock?.pid === server.pid && lock?.ready === true) return true;
    await sleep(5);
  }
  return false;
}

async function lastWords(place: Place): Promise<string> {
  const log = await readFile(place.log, "utf8");
  return log.match(/(?:FATAL|PANIC|error): .*/)?.[0] ?? "it gave no reason";
}

export function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

function serverArguments(data: string, socketFolder: string, durable: boolean): string[] {
  const settings = { ...always, ...(durable ? {} : notDurable), unix_socket_directories: socketFolder };
  return [
    "-D",
    data,
    // Read back by recover(): names the process that started this server.
    "-c",
    `cluster_name=keyhold_${process.pid}`,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
}

const always = {
  listen_addresses: "",
  port: String(port),
  unix_socket_permissions: "0700",
  max_connections: "100",
  shared_buffers: "128MB",
  max_wal_size: "256MB",
  // Nothing replicates from an embedded server.
  max_wal_senders: "0",
  wal_level: "minimal",
  // Statements here are short; compiling them costs more than it saves.
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  // Errors of statements, their texts and parameters can hold values. Their sender gets them; the log keeps
  // what concerns the server itself (LOG, FATAL and PANIC: ERROR ranks below LOG here).
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_parameter_max_length: "0",
  log_parameter_max_length_on_error: "0",
  log_checkpoints: "off",
} as const;

/** For tests only: a power failure loses the database. */
const notDurable = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_wal_size: "1GB",
} as const;

/** A pause after which the cause of a failed start may have passed. */
const pauseMs = 1000;

/**
 * Watches a running server and starts it again when it ends before `stop` is called. Statements fail while it
 * is away, and succeed afterwards.
 */
export function supervise(
  first: ChildProcess,
  options: Readonly<{
    /**
     * Starts it again, on the same data and the same socket; `dead` is the server that ended. Throws when
     * that fails.
     */
    startAgain(dead: ChildProcess): Promise<ChildProcess>;
    /** Called when it has ended, and when it runs again. */
    onEvent(event: "ended" | "restarted"): void;
    /** Starts within `withinMs` at most. */
    mostStarts?: number;
    withinMs?: number;
  }>,
): Readonly<{
  /** Resolves when the server has ended too often and is not started again. */
  lost: Promise<StartError>;
  /** Stops the server for good. A second call does nothing. */
  stop(): Promise<void>;
}> {
  const { mostStarts = 3, withinMs = 10 * 60_000 } = options;
  const lost = Promise.withResolvers<StartError>();
  let server = first;
  let stopping = false;

  async function watch(): Promise<void> {
    let starts: readonly number[] = [];
    let failure: unknown = null;
    while (true) {
      if (!hasEnded(server)) await once(server, "exit");
      if (stopping) return;
      if (failure === null) options.onEvent("ended");
      const now = performance.now();
      starts = [...starts.filter((at) => at > now - withinMs), now];
      if (starts.length > mostStarts) return lost.resolve(endedTooOften(mostStarts, withinMs, failure));
      try {
        server = await options.startAgain(server);
        failure = null;
        options.onEvent("restarted");
      } catch (error) {
        failure = error;
        await sleep(pauseMs);
      }
    }
  }

  const watching = watch();
  return {
    lost: lost.promise,
    async stop() {
      stopping = true;
      await stopPostmaster(server);
      await watching;
      // One whose start was under way.
      await stopPostmaster(server);
    },
  };
}

function endedTooOften(mostStarts: number, withinMs: number, failure: unknown): StartError {
  const reason =
    failure instanceof StartError
      ? ` ${failure.message}`
      : " The log of the system says whether it was killed for want of memory.";
  return new StartError(
    `The embedded PostgreSQL ended, and was started again ${mostStarts} times in the last ${withinMs / 60_000} minutes.${reason}`,
    { cause: failure },
  );
}
