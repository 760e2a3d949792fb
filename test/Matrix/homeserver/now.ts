/** The time of the homeserver and of people: real, whatever clock a test gives the bot. Milliseconds since the epoch. */
export const now = (): number => Math.round(performance.timeOrigin + performance.now())
