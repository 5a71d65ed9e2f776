/** Whether a version's id can be the name of an execution of ours. */
export const isToken = (text: string) => /^[\w-]{32,64}$/.test(text)
