import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";

/** Gives the addresses of a name, asked anew at every question about its addresses of one family. */
type Zone = (name: string, family: 4 | 6) => readonly string[];

export type DnsServer = Readonly<{
  /** Asks this server and no other. */
  names: Resolver;
  close(): Promise<void>;
}>;

const typeA = 1;
const typeAaaa = 28;

/** A name server on loopback (RFC 1035) that answers with what `zone` says at this moment, to be kept for no time at all. */
export async function startDnsServer(zone: Zone): Promise<DnsServer> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const { name, type, end } = readQuestion(query);
    socket.send(answerTo(query, end, name, type, zone), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const names = new Resolver({ timeout: 5000, tries: 3 });
  names.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    names,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answerTo(query: Buffer, end: number, name: string, type: number, zone: Zone): Buffer {
  const asked = type === typeA || type === typeAaaa;
  const all = asked ? zone(name, type === typeA ? 4 : 6) : [];
  const fitting = all.filter((address) => isIPv4(address) === (type === typeA));
  const header = Buffer.from(query.subarray(0, 12));
  // An answer, with recursion available and no error; one question, so many answers and nothing else.
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(fitting.length, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, query.subarray(12, end), ...fitting.map((address) => record(type, address))]);
}

/** Points back at the name in the question, class IN, a time to live of 0. */
function record(type: number, address: string): Buffer {
  const bytes = Buffer.from(ipaddr.parse(address).toByteArray());
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(0, 6);
  head.writeUInt16BE(bytes.byteLength, 10);
  return Buffer.concat([head, bytes]);
}
