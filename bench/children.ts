import { type ChildProcess, fork, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";

/** A program that runs beside the bench and ends with its scope. */
export type Child = AsyncDisposable & Readonly<{ process: ChildProcess; pid: number }>;

const running = new Set<ChildProcess>();

/** Ends everything that is running, so that whoever waits for it fails and leaves its scopes in order. */
export function interruptChildren(): void {
  for (const child of running) child.kill("SIGTERM");
}

export async function startChild(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<Child> {
  return own(spawn(command, args, options));
}

/** A program of the bench's own: it is sent what to do and answers over the same channel. */
export async function forkChild(file: string, job: object): Promise<Child> {
  const child = await own(fork(file, { execArgv: [] }));
  child.process.send(job);
  return child;
}

/** The child's next message. Throws when the child ends instead. */
export async function nextMessage({ process: child }: Child): Promise<unknown> {
  const ended = once(child, "exit").then(() => {
    throw new Error("a program of the bench ended before it answered");
  });
  const [message]: unknown[] = await Promise.race([once(child, "message"), ended]);
  return message;
}

async function own(child: ChildProcess): Promise<Child> {
  await once(child, "spawn");
  running.add(child);
  const ended = once(child, "exit").then(() => running.delete(child));
  return {
    process: child,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
