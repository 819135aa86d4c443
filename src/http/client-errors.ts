import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { errors, KeyholdError } from "../errors.ts";
import { describeProblem, problemType } from "./problems.ts";

const reasons: Readonly<Record<string, KeyholdError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: new KeyholdError("request_timeout", "Send the whole request within 30 seconds."),
  HPE_HEADER_OVERFLOW: new KeyholdError("too_large", "The headers are longer than this service accepts."),
};
const notHttp = new KeyholdError("malformed", "This is not an HTTP request.");

/** Answers on a connection whose request could not even be read, and ends it. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (socket.destroyed || error.code === "ECONNRESET") return;
  const refusal = reasons[error.code ?? ""] ?? notHttp;
  const body = JSON.stringify(describeProblem(refusal, randomUUID()));
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${refusal.status} ${errors[refusal.code].title}\r\nContent-Type: ${problemType}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}
