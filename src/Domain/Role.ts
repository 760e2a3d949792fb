/** Who may do what, the same in every interface that many or strangers may use. */

/** `public` may ask, `trusted` may also save, `owner` may do everything. */
export type Role = "public" | "trusted" | "owner"

/** All of them, the least first. */
export const roles = ["public", "trusted", "owner"] as const satisfies ReadonlyArray<Role>

/** Whether who has the one role may do what takes the other. */
export const covers = (role: Role, needed: Role): boolean => roles.indexOf(role) >= roles.indexOf(needed)
