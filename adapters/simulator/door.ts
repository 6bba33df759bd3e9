import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** A listening port that can go dark (refuse or hang) and come back on the same number. */
export class Door {
  readonly #host: string;
  readonly #served: (socket: Socket) => void;
  readonly #sockets = new Set<Socket>();
  #tcp: Server | undefined;
  #hanging = false;
  #turn: Promise<void> = Promise.resolve();
  #port: number;

  /** Port 0 takes any free one, once. `served` gets every connection while the door is open. */
  constructor(host: string, port: number, served: (socket: Socket) => void) {
    this.#host = host;
    this.#port = port;
    this.#served = served;
  }

  get host(): string {
    return this.#host;
  }

  get port(): number {
    return this.#port;
  }

  /** Going dark and coming back happen one after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async listen(): Promise<void> {
    if (this.#tcp) return;
    this.#hanging = false;
    const tcp = createServer({ noDelay: true }, (socket) => this.#connected(socket));
    this.#tcp = tcp;
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(this.#port, this.#host, resolve);
    });
    this.#port = (tcp.address() as AddressInfo).port;
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (!this.#hanging) this.#served(socket);
  }

  /** Ends every connection without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** No more answers: connections are refused, or accepted and never served. */
  goDark(how: 'refuse' | 'hang'): Promise<void> {
    return this.#inTurn(() => this.#dark(how));
  }

  async #dark(how: 'refuse' | 'hang'): Promise<void> {
    this.#hanging = how === 'hang';
    this.cut();
    const tcp = this.#tcp;
    if (how === 'hang' || !tcp) return;
    this.#tcp = undefined;
    await new Promise<void>((resolve) => tcp.close(() => resolve()));
  }

  comeBack(): Promise<void> {
    return this.#inTurn(() => this.#back());
  }

  async #back(): Promise<void> {
    if (this.#hanging) this.cut();
    this.#hanging = false;
    await this.listen();
  }

  async close(): Promise<void> {
    this.cut();
    const tcp = this.#tcp;
    this.#tcp = undefined;
    if (tcp) await new Promise<void>((resolve) => tcp.close(() => resolve()));
  }
}
