// A small HTTP/1.1 client over one keep-alive connection. It does the same few microseconds of work for every
// engine, so that what is measured is the engine.

import { connect } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/** The bytes of one request. */
export function encode({ method = "POST", path, headers = {}, body = "" }) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const length = Buffer.byteLength(body);
    const type = length > 0 ? "content-type: application/json\r\n" : "";
    return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${type}content-length: ${length}\r\n${lines}\r\n${body}`;
}

/** One connection; it carries one request at a time and is opened again when it was lost. */
export class Connection {
    #port;
    #socket = null;
    #received = Buffer.alloc(0);
    #waiting = null;

    constructor(port) {
        this.#port = port;
    }

    /** Sends a request and resolves with `{status, body}`; rejects when the connection is lost. */
    request(request) {
        this.#socket ??= this.#open();
        return new Promise((resolve, reject) => {
            this.#waiting = { resolve, reject };
            this.#socket.write(encode(request));
        });
    }

    close() {
        this.#socket?.destroy();
        this.#socket = null;
    }

    #open() {
        const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
        this.#received = Buffer.alloc(0);
        socket.on("data", (bytes) => this.#take(bytes));
        socket.on("error", () => {});
        socket.on("close", () => {
            if (this.#socket !== socket) return;
            this.#socket = null;
            this.#settle("reject", new Error("the connection was lost"));
        });
        return socket;
    }

    #take(bytes) {
        this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
        const response = decode(this.#received);
        if (response === null) return;
        this.#received = Buffer.alloc(0);
        this.#settle("resolve", response);
    }

    #settle(how, value) {
        const waiting = this.#waiting;
        this.#waiting = null;
        waiting?.[how](value);
    }
}

/** A whole response, or null while some of it is missing. */
export function decode(bytes) {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) return null;
    const head = bytes.latin1Slice(0, end);
    const status = Number(head.slice(9, 12));
    const start = end + HEAD_END.length;
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
        const body = chunks(bytes, start);
        return body === null ? null : { status, body };
    }
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (bytes.length < start + length) return null;
    return { status, body: bytes.utf8Slice(start, start + length) };
}

function chunks(bytes, start) {
    const parts = [];
    for (let at = start; ;) {
        const line = bytes.indexOf("\r\n", at);
        if (line < 0) return null;
        const length = parseInt(bytes.latin1Slice(at, line), 16);
        const next = line + 2 + length + 2;
        if (bytes.length < next) return null;
        if (length === 0) return Buffer.concat(parts).toString();
        parts.push(bytes.subarray(line + 2, line + 2 + length));
        at = next;
    }
}
