// Buys with a published v2 client as it is, and asserts what it is told: buy.js CLIENT URL KEY.
"use strict";

const assert = require("node:assert/strict");

const LINK = "https://example.com/me";
// Between two questions, and how long anything may take at the demo's panel, in milliseconds.
const BETWEEN_MS = 500;
const TAKES_MS_MAX = 60_000;

/** Asks until the status is that word; the last answer. */
async function until(word, ask) {
    const deadline = Date.now() + TAKES_MS_MAX;
    for (;;) {
        const answer = await ask();
        if (answer.status === word) {
            return answer;
        }
        assert.ok(Date.now() < deadline, `not ${word} within ${TAKES_MS_MAX} ms: ${JSON.stringify(answer)}`);
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    }
}

/** Amounts of eight decimals as whole numbers, so that nothing is rounded. */
function exact(amount) {
    const [whole, part = ""] = amount.split(".");
    return BigInt(whole + part.padEnd(8, "0"));
}

async function refused(asked, message) {
    await assert.rejects(asked, { name: "ApiError", message });
}

async function buy(client) {
    const [followers] = await client.getServices();
    assert.deepEqual([followers.service, followers.refill, followers.cancel], [1, true, true]);
    const before = await client.getBalance();
    assert.equal(before.currency, "USD");

    const { order } = await client.createOrder({ service: 1, link: LINK, quantity: 100 });
    assert.equal(typeof order, "number");
    const status = await until("Completed", () => client.getOrderStatus(order));
    assert.deepEqual([status.charge, status.remains, status.currency], ["0.108", "0", "USD"]);

    const { refill } = await client.requestRefill(order);
    assert.match(refill, /^[0-9]+$/);
    await refused(client.requestRefill(order), "The refill task is not completed for this order");
    await until("Completed", () => client.getRefillStatus(refill));
    assert.deepEqual(await client.getMultiRefillStatus([refill]), [{ refill: Number(refill), status: "Completed" }]);

    const { order: unwanted } = await client.createOrder({ service: 1, link: LINK, quantity: 100 });
    assert.deepEqual(await client.cancelOrders([unwanted, 999999]), [
        { order: unwanted, cancel: 1 },
        { order: 999999, cancel: { error: "Incorrect order ID" } },
    ]);
    // What the panel delivered before it stopped is paid.
    const canceled = await until("Canceled", () => client.getOrderStatus(unwanted));
    const paid = (exact("0.108") * BigInt(100 - Number(canceled.remains))) / 100n;
    assert.equal(exact(canceled.charge), paid);
    const many = await client.getMultiOrderStatus([order, unwanted, 999999]);
    assert.deepEqual([many[order].status, many[unwanted].status], ["Completed", "Canceled"]);
    assert.deepEqual(many[999999], { error: "Incorrect order ID" });

    await refused(client.getOrderStatus(999999), "Incorrect order ID");
    const after = await client.getBalance();
    assert.equal(exact(before.balance) - exact(after.balance), exact("0.108") + paid);
}

const [name, url, key] = process.argv.slice(2);
const Client = require(name);
buy(new Client(url, key)).then(
    () => console.log(`${name}: placed, followed, refilled, canceled`),
    (error) => {
        console.error(error);
        process.exitCode = 1;
    },
);
