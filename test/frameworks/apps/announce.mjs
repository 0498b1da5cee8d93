/** Tells the test where the product listens and who its users are. */
export async function announce(kit, port) {
  const user = { userId: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01', externalId: '4711' };
  const credentials = {
    user: await kit.headers(user),
    admin: await kit.headers({ role: 'admin' }),
    expired: { authorization: `Bearer ${await kit.token(user, { expiresIn: -60 })}` },
  };
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, credentials }));
}
