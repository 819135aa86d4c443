import { StartError } from "../errors.ts";

/** Where to listen, and the settings that decide it. */
type Listener = Readonly<{ host: string; port: number; hostVariable: string; portVariable: string }>;

/** What a start reports, by the system's error code. */
const refusals: Readonly<Record<string, (listener: Listener) => string>> = {
  EADDRINUSE: ({ host, port, portVariable }) =>
    `Port ${port} of ${host} is in use. Stop the program that uses it, or set ${portVariable} to another port.`,
  EACCES: ({ port, portVariable }) =>
    `The user who runs Keyhold may not listen on port ${port}. Set ${portVariable} to a port from 1024.`,
  EADDRNOTAVAIL: ({ host, hostVariable }) =>
    `This machine has no address ${host}. Set ${hostVariable} to one of its addresses.`,
  ENOTFOUND: ({ host, hostVariable }) => `The host name ${host} in ${hostVariable} does not exist.`,
  EAI_AGAIN: ({ host, hostVariable }) => `The host name ${host} in ${hostVariable} cannot be resolved now.`,
};

/** Runs `listen`. Throws `StartError`, which names the setting to change, if the address cannot be used. */
export async function listenOn<T>(listener: Listener, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const refuse = refusals[code];
    throw refuse === undefined ? cause : new StartError(refuse(listener), { cause });
  }
}
