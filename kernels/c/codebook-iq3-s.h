/* Made by kernels/tables/generate.ts from kernels/tables/codebooks.ts; edit those. */
enum { ENTRY_LENGTH = 4, LEVEL_BITS = 3, RADIX = 8, ENTRIES = 512 };
static const float MAGNITUDES[8] = {1.000f, 3.000f, 5.000f, 7.000f, 9.000f, 11.000f, 13.000f, 15.000f};
static const uint16_t CODES[512] = {
    0x0000, 0x0001, 0x0002, 0x0005, 0x0007, 0x0008, 0x0009, 0x000a, 0x000c, 0x000e, 0x0010, 0x0011,
    0x0015, 0x001b, 0x0020, 0x0022, 0x0025, 0x0027, 0x0029, 0x002b, 0x0030, 0x0032, 0x0039, 0x003c,
    0x003f, 0x0040, 0x0041, 0x0042, 0x0044, 0x0048, 0x0049, 0x004d, 0x0050, 0x0053, 0x0057, 0x0059,
    0x005d, 0x0064, 0x0071, 0x0075, 0x007a, 0x0080, 0x0081, 0x0085, 0x0087, 0x0088, 0x008b, 0x008e,
    0x0091, 0x0095, 0x0098, 0x009c, 0x00a2, 0x00a5, 0x00a7, 0x00a9, 0x00ab, 0x00b8, 0x00bb, 0x00c3,
    0x00c9, 0x00cd, 0x00d0, 0x00d2, 0x00d9, 0x00db, 0x00de, 0x00e4, 0x00e8, 0x00ea, 0x00f7, 0x00f9,
    0x00fd, 0x0100, 0x010b, 0x010f, 0x0111, 0x0114, 0x011a, 0x0120, 0x0123, 0x0129, 0x0138, 0x0142,
    0x0144, 0x0150, 0x0152, 0x0156, 0x015b, 0x0161, 0x0165, 0x0167, 0x0176, 0x017b, 0x0186, 0x0189,
    0x018b, 0x0199, 0x01aa, 0x01b9, 0x01c0, 0x01c2, 0x01c4, 0x01d0, 0x01d2, 0x01d6, 0x01db, 0x01e8,
    0x01ec, 0x0200, 0x0201, 0x0202, 0x0204, 0x0208, 0x0209, 0x020b, 0x020d, 0x020f, 0x0210, 0x0212,
    0x0219, 0x021c, 0x021e, 0x022c, 0x022e, 0x0231, 0x023a, 0x0240, 0x0241, 0x0243, 0x0246, 0x0248,
    0x024c, 0x0251, 0x0258, 0x025b, 0x0261, 0x0268, 0x026a, 0x0278, 0x027e, 0x0280, 0x028a, 0x028d,
    0x028f, 0x0290, 0x0294, 0x029a, 0x02a0, 0x02a3, 0x02ad, 0x02b0, 0x02ba, 0x02c1, 0x02c4, 0x02c7,
    0x02c8, 0x02cb, 0x02d1, 0x02d7, 0x02d8, 0x02dc, 0x02e1, 0x02f2, 0x02f8, 0x0303, 0x0305, 0x030a,
    0x030c, 0x0319, 0x031b, 0x0322, 0x0326, 0x0328, 0x032c, 0x0341, 0x0348, 0x034b, 0x0351, 0x0358,
    0x035a, 0x0369, 0x0390, 0x0394, 0x0397, 0x03a4, 0x03a6, 0x03c1, 0x03c3, 0x03c8, 0x03ca, 0x03d1,
    0x03dd, 0x03e1, 0x03f2, 0x03f8, 0x0400, 0x0401, 0x0403, 0x0405, 0x0407, 0x0408, 0x040a, 0x040c,
    0x040e, 0x0411, 0x0413, 0x0417, 0x0418, 0x041a, 0x0421, 0x0423, 0x0425, 0x0428, 0x042a, 0x0437,
    0x0438, 0x043b, 0x043d, 0x0440, 0x0442, 0x0448, 0x044b, 0x044f, 0x0452, 0x0455, 0x0459, 0x045c,
    0x0462, 0x0469, 0x0481, 0x0484, 0x0487, 0x0491, 0x0493, 0x0498, 0x049f, 0x04a1, 0x04ab, 0x04af,
    0x04b9, 0x04bc, 0x04c0, 0x04c2, 0x04c5, 0x04c9, 0x04d2, 0x04d4, 0x04d9, 0x04db, 0x04e2, 0x04e8,
    0x04f6, 0x0501, 0x0507, 0x0510, 0x0513, 0x051a, 0x051d, 0x0521, 0x053a, 0x053d, 0x0544, 0x0549,
    0x0552, 0x055f, 0x0560, 0x056b, 0x0578, 0x0580, 0x0582, 0x0587, 0x0591, 0x05ad, 0x05b1, 0x05c5,
    0x05c9, 0x05d6, 0x05d8, 0x05e3, 0x05e8, 0x0602, 0x0609, 0x060b, 0x060d, 0x060f, 0x0612, 0x0619,
    0x061b, 0x061d, 0x0622, 0x0624, 0x0627, 0x0629, 0x0633, 0x0639, 0x0641, 0x0643, 0x0645, 0x064c,
    0x0651, 0x0653, 0x0660, 0x0670, 0x067a, 0x067e, 0x0680, 0x068a, 0x0690, 0x069a, 0x069c, 0x06a8,
    0x06c1, 0x06c8, 0x06cc, 0x06d1, 0x06d3, 0x06d7, 0x06d8, 0x06e1, 0x06e3, 0x06e7, 0x06ed, 0x06fb,
    0x0703, 0x0709, 0x070e, 0x0712, 0x0719, 0x072a, 0x0730, 0x0734, 0x0741, 0x0748, 0x074a, 0x0755,
    0x075a, 0x0764, 0x076e, 0x077b, 0x078e, 0x07a1, 0x07c1, 0x07c3, 0x07d0, 0x07d2, 0x07dd, 0x0800,
    0x0804, 0x080a, 0x0810, 0x0814, 0x0817, 0x081a, 0x0821, 0x0828, 0x0838, 0x0842, 0x0847, 0x0849,
    0x084b, 0x0852, 0x0858, 0x085d, 0x0863, 0x0869, 0x086d, 0x0881, 0x0883, 0x0888, 0x088d, 0x0891,
    0x089b, 0x08a0, 0x08af, 0x08b2, 0x08b8, 0x08c4, 0x08c9, 0x08cb, 0x08d0, 0x08d2, 0x08d9, 0x08dd,
    0x0900, 0x0902, 0x0914, 0x091f, 0x0920, 0x0939, 0x0945, 0x0947, 0x0951, 0x0972, 0x098b, 0x099c,
    0x09b0, 0x09c8, 0x09cd, 0x09d8, 0x09e3, 0x09e9, 0x0a02, 0x0a08, 0x0a0c, 0x0a12, 0x0a20, 0x0a24,
    0x0a27, 0x0a2a, 0x0a36, 0x0a3c, 0x0a41, 0x0a43, 0x0a45, 0x0a4a, 0x0a51, 0x0a5a, 0x0a7a, 0x0a80,
    0x0a89, 0x0a93, 0x0a98, 0x0a9e, 0x0aab, 0x0ac2, 0x0ac7, 0x0ac8, 0x0ad7, 0x0ae4, 0x0ae9, 0x0af5,
    0x0afb, 0x0b01, 0x0b04, 0x0b10, 0x0b1a, 0x0b26, 0x0b4a, 0x0b56, 0x0b69, 0x0b6b, 0x0ba2, 0x0bc2,
    0x0bc4, 0x0bd2, 0x0c09, 0x0c0b, 0x0c0d, 0x0c19, 0x0c1b, 0x0c30, 0x0c40, 0x0c50, 0x0c57, 0x0c74,
    0x0c8a, 0x0c9c, 0x0ca2, 0x0cad, 0x0cb2, 0x0cb8, 0x0cc0, 0x0ccc, 0x0cd1, 0x0ce0, 0x0d15, 0x0d23,
    0x0d32, 0x0d40, 0x0d43, 0x0d5c, 0x0d70, 0x0d85, 0x0da0, 0x0dc9, 0x0dcb, 0x0e00, 0x0e04, 0x0e07,
    0x0e10, 0x0e12, 0x0e1e, 0x0e20, 0x0e2c, 0x0e32, 0x0e42, 0x0e49, 0x0e54, 0x0e63, 0x0e65, 0x0e81,
    0x0e84, 0x0e88, 0x0e8e, 0x0e91, 0x0e98, 0x0ea9, 0x0ec2, 0x0eda, 0x0edd, 0x0eeb, 0x0f01, 0x0f05,
    0x0f0b, 0x0f10, 0x0f28, 0x0f52, 0x0f62, 0x0f82, 0x0f99, 0x0fc0,
};

V4_INLINE vi best_entry(vi step[ENTRY_LENGTH][RADIX - 1]) {
  const vi t0 = vi_set(0);
  const vi t1 = step[3][0];
  const vi t2 = step[3][1];
  const vi t3 = step[3][2];
  const vi t4 = step[3][3];
  const vi t5 = step[3][4];
  const vi t6 = step[3][5];
  const vi t7 = step[3][6];
  const vi t8 = step[0][0];
  const vi p11 = step[0][0] + step[3][0];
  const vi t9 = p11;
  const vi p12 = step[0][0] + step[3][1];
  const vi t10 = p12;
  const vi p13 = step[0][0] + step[3][2];
  const vi t11 = p13;
  const vi p14 = step[0][0] + step[3][3];
  const vi t12 = p14;
  const vi p15 = step[0][0] + step[3][4];
  const vi t13 = p15;
  const vi p16 = step[0][0] + step[3][5];
  const vi t14 = p16;
  const vi p17 = step[0][0] + step[3][6];
  const vi t15 = p17;
  const vi t16 = step[0][1];
  const vi p21 = step[0][1] + step[3][0];
  const vi t17 = p21;
  const vi p22 = step[0][1] + step[3][1];
  const vi t18 = p22;
  const vi p23 = step[0][1] + step[3][2];
  const vi t19 = p23;
  const vi p24 = step[0][1] + step[3][3];
  const vi t20 = p24;
  const vi p25 = step[0][1] + step[3][4];
  const vi t21 = p25;
  const vi p26 = step[0][1] + step[3][5];
  const vi t22 = p26;
  const vi p27 = step[0][1] + step[3][6];
  const vi t23 = p27;
  const vi t24 = step[0][2];
  const vi p31 = step[0][2] + step[3][0];
  const vi t25 = p31;
  const vi p32 = step[0][2] + step[3][1];
  const vi t26 = p32;
  const vi p33 = step[0][2] + step[3][2];
  const vi t27 = p33;
  const vi p34 = step[0][2] + step[3][3];
  const vi t28 = p34;
  const vi p35 = step[0][2] + step[3][4];
  const vi t29 = p35;
  const vi p36 = step[0][2] + step[3][5];
  const vi t30 = p36;
  const vi p37 = step[0][2] + step[3][6];
  const vi t31 = p37;
  const vi t32 = step[0][3];
  const vi p41 = step[0][3] + step[3][0];
  const vi t33 = p41;
  const vi p42 = step[0][3] + step[3][1];
  const vi t34 = p42;
  const vi p43 = step[0][3] + step[3][2];
  const vi t35 = p43;
  const vi p44 = step[0][3] + step[3][3];
  const vi t36 = p44;
  const vi p45 = step[0][3] + step[3][4];
  const vi t37 = p45;
  const vi p46 = step[0][3] + step[3][5];
  const vi t38 = p46;
  const vi p47 = step[0][3] + step[3][6];
  const vi t39 = p47;
  const vi t40 = step[0][4];
  const vi p51 = step[0][4] + step[3][0];
  const vi t41 = p51;
  const vi p52 = step[0][4] + step[3][1];
  const vi t42 = p52;
  const vi p53 = step[0][4] + step[3][2];
  const vi t43 = p53;
  const vi p54 = step[0][4] + step[3][3];
  const vi t44 = p54;
  const vi p55 = step[0][4] + step[3][4];
  const vi t45 = p55;
  const vi p56 = step[0][4] + step[3][5];
  const vi t46 = p56;
  const vi p57 = step[0][4] + step[3][6];
  const vi t47 = p57;
  const vi t48 = step[0][5];
  const vi p61 = step[0][5] + step[3][0];
  const vi t49 = p61;
  const vi p62 = step[0][5] + step[3][1];
  const vi t50 = p62;
  const vi p63 = step[0][5] + step[3][2];
  const vi t51 = p63;
  const vi p65 = step[0][5] + step[3][4];
  const vi t52 = p65;
  const vi p67 = step[0][5] + step[3][6];
  const vi t53 = p67;
  const vi t54 = step[0][6];
  const vi p71 = step[0][6] + step[3][0];
  const vi t55 = p71;
  const vi p72 = step[0][6] + step[3][1];
  const vi t56 = p72;
  const vi p73 = step[0][6] + step[3][2];
  const vi t57 = p73;
  const vi p74 = step[0][6] + step[3][3];
  const vi t58 = p74;
  const vi p75 = step[0][6] + step[3][4];
  const vi t59 = p75;
  const vi p76 = step[0][6] + step[3][5];
  const vi t60 = p76;
  const vi p77 = step[0][6] + step[3][6];
  const vi t61 = p77;
  const vi t62 = vi_min(t1, t8);
  const vi t63 = vi_min(t0, t16);
  const vi t64 = vi_min(t9, t11);
  const vi t65 = vi_min(t4, t10);
  const vi t66 = vi_min(t18, t64);
  const vi t67 = vi_min(t40, t62);
  const vi t68 = vi_min(t7, t19);
  const vi t69 = vi_min(t2, t32);
  const vi t70 = vi_min(t10, t12);
  const vi t71 = vi_min(t20, t27);
  const vi t72 = vi_min(t0, t17);
  const vi t73 = vi_min(t2, t24);
  const vi t74 = vi_min(t21, t33);
  const vi t75 = vi_min(t66, t71);
  const vi t76 = vi_min(t3, t70);
  const vi t77 = vi_min(t9, t63);
  const vi t78 = vi_min(t15, t56);
  const vi t79 = vi_min(t17, t54);
  const vi t80 = vi_min(t21, t25);
  const vi t81 = vi_min(t26, t67);
  const vi t82 = vi_min(t0, t12);
  const vi t83 = vi_min(t1, t17);
  const vi t84 = vi_min(t5, t28);
  const vi t85 = vi_min(t6, t23);
  const vi t86 = vi_min(t8, t26);
  const vi t87 = vi_min(t14, t30);
  const vi t88 = vi_min(t23, t48);
  const vi t89 = vi_min(t24, t72);
  const vi t90 = vi_min(t36, t68);
  const vi t91 = vi_min(t37, t42);
  const vi t92 = vi_min(t40, t54);
  const vi t93 = vi_min(t43, t63);
  const vi t94 = vi_min(t0, t13);
  const vi t95 = vi_min(t1, t10);
  const vi t96 = vi_min(t1, t16);
  const vi t97 = vi_min(t2, t35);
  const vi t98 = vi_min(t2, t56);
  const vi t99 = vi_min(t3, t19);
  const vi t100 = vi_min(t4, t11);
  const vi t101 = vi_min(t4, t41);
  const vi t102 = vi_min(t5, t46);
  const vi t103 = vi_min(t6, t32);
  const vi t104 = vi_min(t9, t26);
  const vi t105 = vi_min(t13, t29);
  const vi t106 = vi_min(t16, t42);
  const vi t107 = vi_min(t18, t88);
  const vi t108 = vi_min(t24, t33);
  const vi t109 = vi_min(t25, t37);
  const vi t110 = vi_min(t34, t44);
  const vi t111 = vi_min(t34, t55);
  const vi t112 = vi_min(t35, t38);
  const vi t113 = vi_min(t39, t42);
  const vi t114 = vi_min(t41, t78);
  const vi t115 = vi_min(t43, t73);
  const vi t116 = vi_min(t44, t83);
  const vi t117 = vi_min(t48, t50);
  const vi t118 = vi_min(t49, t74);
  const vi t119 = vi_min(t49, t75);
  const vi t120 = vi_min(t52, t56);
  const vi t121 = vi_min(t57, t59);
  const vi t122 = vi_min(t62, t69);
  const vi t123 = vi_min(t63, t91);
  const vi t124 = vi_min(t65, t81);
  const vi t125 = vi_min(t65, t89);
  const vi t126 = vi_min(t67, t76);
  const vi t127 = vi_min(t69, t86);
  const vi t128 = vi_min(t75, t111);
  const vi t129 = vi_min(t84, t112);
  const vi t130 = vi_min(t90, t124);
  const vi t131 = vi_min(t93, t122);
  vi best = vi_min(vi_min(t61, vi_min(t74, t77)), vi_min(vi_min(t79, t98), vi_min(t113, t130)));
  best = vi_min(best, vi_min(vi_min(vi_min(t41, t57), vi_min(t87, t102)), vi_min(vi_min(t109, t117), vi_min(t128, t131))) + step[1][0]);
  best = vi_min(best, vi_min(vi_min(t21, vi_min(t23, t56)), vi_min(t58, vi_min(t72, t130))) + step[1][1]);
  best = vi_min(best, vi_min(vi_min(t33, t53), vi_min(t87, vi_min(t115, t119))) + step[1][2]);
  best = vi_min(best, vi_min(vi_min(vi_min(t5, t26), vi_min(t35, t68)), vi_min(vi_min(t70, t92), vi_min(t121, t123))) + step[1][3]);
  best = vi_min(best, vi_min(vi_min(t8, vi_min(t18, t39)), vi_min(t73, vi_min(t100, t118))) + step[1][4]);
  best = vi_min(best, vi_min(vi_min(t27, t77), vi_min(t85, t120)) + step[1][5]);
  best = vi_min(best, vi_min(vi_min(t79, t91), vi_min(t100, t127)) + step[1][6]);
  best = vi_min(best, vi_min(vi_min(t25, vi_min(t45, t58)), vi_min(vi_min(t85, t105), vi_min(t119, t131))) + step[2][0]);
  const vi r11 = step[1][0] + step[2][0];
  best = vi_min(best, vi_min(vi_min(t28, vi_min(t74, t78)), vi_min(t81, vi_min(t82, t97))) + r11);
  const vi r21 = step[1][1] + step[2][0];
  best = vi_min(best, vi_min(vi_min(t6, vi_min(t24, t54)), vi_min(vi_min(t60, t75), vi_min(t94, t113))) + r21);
  const vi r31 = step[1][2] + step[2][0];
  best = vi_min(best, vi_min(vi_min(t65, t67), vi_min(t80, t110)) + r31);
  const vi r41 = step[1][3] + step[2][0];
  best = vi_min(best, vi_min(vi_min(t3, vi_min(t9, t18)), vi_min(vi_min(t28, t31), vi_min(t32, t47))) + r41);
  const vi r61 = step[1][5] + step[2][0];
  best = vi_min(best, vi_min(vi_min(t3, t8), vi_min(t38, t40)) + r61);
  const vi r71 = step[1][6] + step[2][0];
  best = vi_min(best, vi_min(vi_min(t19, t21), vi_min(t49, vi_min(t51, t96))) + r71);
  best = vi_min(best, vi_min(vi_min(t0, vi_min(t34, t39)), vi_min(vi_min(t54, t78), vi_min(t84, t126))) + step[2][1]);
  const vi r12 = step[1][0] + step[2][1];
  best = vi_min(best, vi_min(vi_min(vi_min(t13, t22), vi_min(t44, t48)), vi_min(vi_min(t53, t55), vi_min(t68, vi_min(t89, t101)))) + r12);
  const vi r22 = step[1][1] + step[2][1];
  best = vi_min(best, vi_min(vi_min(t15, t29), vi_min(t33, vi_min(t76, t81))) + r22);
  const vi r32 = step[1][2] + step[2][1];
  best = vi_min(best, vi_min(vi_min(t68, t69), vi_min(t72, vi_min(t120, t129))) + r32);
  const vi r42 = step[1][3] + step[2][1];
  best = vi_min(best, vi_min(vi_min(t22, t25), vi_min(t65, vi_min(t92, t96))) + r42);
  const vi r52 = step[1][4] + step[2][1];
  best = vi_min(best, vi_min(vi_min(t3, vi_min(t24, t29)), vi_min(vi_min(t46, t58), vi_min(t86, t114))) + r52);
  const vi r72 = step[1][6] + step[2][1];
  best = vi_min(best, vi_min(t6, vi_min(t34, t125)) + r72);
  best = vi_min(best, vi_min(vi_min(vi_min(t36, t42), vi_min(t55, t59)), vi_min(vi_min(t66, t73), vi_min(t74, t85))) + step[2][2]);
  const vi r13 = step[1][0] + step[2][2];
  best = vi_min(best, vi_min(t25, vi_min(t126, t129)) + r13);
  const vi r23 = step[1][1] + step[2][2];
  best = vi_min(best, vi_min(vi_min(t4, t14), vi_min(t63, vi_min(t121, t128))) + r23);
  const vi r33 = step[1][2] + step[2][2];
  best = vi_min(best, vi_min(vi_min(t26, vi_min(t44, t47)), vi_min(vi_min(t62, t76), vi_min(t88, t108))) + r33);
  const vi r43 = step[1][3] + step[2][2];
  best = vi_min(best, vi_min(vi_min(t27, t37), vi_min(t57, vi_min(t66, t103))) + r43);
  const vi r53 = step[1][4] + step[2][2];
  best = vi_min(best, vi_min(vi_min(t2, t13), vi_min(t31, t93)) + r53);
  const vi r63 = step[1][5] + step[2][2];
  best = vi_min(best, vi_min(t45, vi_min(t50, t79)) + r63);
  const vi r73 = step[1][6] + step[2][2];
  best = vi_min(best, vi_min(t27, vi_min(t29, t67)) + r73);
  best = vi_min(best, vi_min(vi_min(t47, vi_min(t65, t71)), vi_min(t94, vi_min(t109, t114))) + step[2][3]);
  const vi r14 = step[1][0] + step[2][3];
  best = vi_min(best, vi_min(vi_min(t11, t31), vi_min(t51, vi_min(t79, t108))) + r14);
  const vi r24 = step[1][1] + step[2][3];
  best = vi_min(best, vi_min(t90, vi_min(t102, t127)) + r24);
  const vi r34 = step[1][2] + step[2][3];
  best = vi_min(best, vi_min(vi_min(t58, t66), vi_min(t80, t106)) + r34);
  const vi r44 = step[1][3] + step[2][3];
  best = vi_min(best, vi_min(vi_min(t30, t49), vi_min(t52, t125)) + r44);
  const vi r54 = step[1][4] + step[2][3];
  best = vi_min(best, vi_min(t33, vi_min(t62, t68)) + r54);
  const vi r74 = step[1][6] + step[2][3];
  best = vi_min(best, vi_min(t18, vi_min(t42, t82)) + r74);
  best = vi_min(best, vi_min(vi_min(t16, vi_min(t30, t58)), vi_min(t64, vi_min(t103, t110))) + step[2][4]);
  const vi r25 = step[1][1] + step[2][4];
  best = vi_min(best, vi_min(vi_min(t12, t43), vi_min(t52, vi_min(t77, t107))) + r25);
  const vi r35 = step[1][2] + step[2][4];
  best = vi_min(best, vi_min(vi_min(t19, t24), vi_min(t38, vi_min(t56, t83))) + r35);
  const vi r45 = step[1][3] + step[2][4];
  best = vi_min(best, vi_min(vi_min(t8, t23), vi_min(t92, t97)) + r45);
  const vi r65 = step[1][5] + step[2][4];
  best = vi_min(best, vi_min(t6, vi_min(t20, t48)) + r65);
  const vi r75 = step[1][6] + step[2][4];
  best = vi_min(best, vi_min(t27, t73) + r75);
  best = vi_min(best, vi_min(t46, vi_min(t98, t107)) + step[2][5]);
  const vi r16 = step[1][0] + step[2][5];
  best = vi_min(best, vi_min(vi_min(t8, t24), vi_min(t28, t51)) + r16);
  const vi r36 = step[1][2] + step[2][5];
  best = vi_min(best, vi_min(t8, vi_min(t15, t36)) + r36);
  const vi r56 = step[1][4] + step[2][5];
  best = vi_min(best, t106 + r56);
  const vi r76 = step[1][6] + step[2][5];
  best = vi_min(best, t8 + r76);
  best = vi_min(best, vi_min(vi_min(t7, vi_min(t27, t32)), vi_min(t64, vi_min(t80, t123))) + step[2][6]);
  const vi r27 = step[1][1] + step[2][6];
  best = vi_min(best, vi_min(vi_min(t21, t77), vi_min(t99, t117)) + r27);
  const vi r37 = step[1][2] + step[2][6];
  best = vi_min(best, vi_min(t101, t115) + r37);
  const vi r57 = step[1][4] + step[2][6];
  best = vi_min(best, vi_min(t69, t82) + r57);
  const vi r51 = step[1][4] + step[2][0];
  best = vi_min(best, vi_min(t70, t116) + r51);
  const vi r62 = step[1][5] + step[2][1];
  best = vi_min(best, vi_min(t1, vi_min(t20, t22)) + r62);
  const vi r15 = step[1][0] + step[2][4];
  best = vi_min(best, vi_min(t80, vi_min(t95, t99)) + r15);
  const vi r55 = step[1][4] + step[2][4];
  best = vi_min(best, vi_min(t51, vi_min(t104, t105)) + r55);
  const vi r26 = step[1][1] + step[2][5];
  best = vi_min(best, vi_min(t33, vi_min(t55, t95)) + r26);
  const vi r46 = step[1][3] + step[2][5];
  best = vi_min(best, vi_min(t6, vi_min(t11, t118)) + r46);
  const vi r17 = step[1][0] + step[2][6];
  best = vi_min(best, vi_min(t65, vi_min(t87, t116)) + r17);
  const vi r47 = step[1][3] + step[2][6];
  best = vi_min(best, vi_min(t28, t104) + r47);
  const vi r67 = step[1][5] + step[2][6];
  best = vi_min(best, t17 + r67);
  const vi r77 = step[1][6] + step[2][6];
  best = vi_min(best, t1 + r77);
  const vi r66 = step[1][5] + step[2][5];
  best = vi_min(best, t65 + r66);
  const vi r64 = step[1][5] + step[2][3];
  best = vi_min(best, vi_min(t3, vi_min(t22, t35)) + r64);
  return best;
}
