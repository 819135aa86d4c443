import { StartError } from "../errors.ts";

/** Where to listen, and the settings that say so. */
export type Listener = Readonly<{ host: string; port: number; hostVariable: string; portVariable: string }>;

type Refusal = (listener: Listener) => string;

/** By the code of the system. */
const refusals: Readonly<Record<string, Refusal>> = {
  EADDRINUSE: ({ host, port, portVariable }) =>
    `Port ${port} of ${host} is in use. Stop the program that uses it, or set ${portVariable} to another port.`,
  EACCES: ({ port, portVariable }) =>
    `The user who runs Keyhold may not listen on port ${port}. Set ${portVariable} to a port from 1024.`,
  EADDRNOTAVAIL: ({ host, hostVariable }) =>
    `This machine has no address ${host}. Set ${hostVariable} to one of its addresses.`,
  ENOTFOUND: ({ host, hostVariable }) => `The host name ${host} in ${hostVariable} is not known.`,
  EAI_AGAIN: ({ host, hostVariable }) => `The host name ${host} in ${hostVariable} cannot be looked up now.`,
};

/** Answers with what `listen` does. Throws `StartError`, with the setting to change, where the address cannot be had. */
export async function listenOn<T>(listener: Listener, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const refuse = refusals[code];
    throw refuse === undefined ? cause : new StartError(refuse(listener), { cause });
  }
}
