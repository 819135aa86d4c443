/**
 * The program of a venue process: takes calls with sealed fields, answers each with a verdict or a result.
 */
import { harden } from "./harden.ts";

harden();
// Loaded after that: an import above would run first, and with it every library.
const { serveCalls } = await import("./serve-calls.ts");
serveCalls();
