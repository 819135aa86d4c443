/** The program of a venue process: takes calls with sealed fields, answers each with a verdict or a result. */
import { serveCalls } from "./serve-calls.ts";

serveCalls();
